// Package hubtest simulates the Hugging Face hub as far as winnow and the hub's own
// client use it: the list of a repository's files, their descriptions, and their
// contents, optionally redirected to another host as on the hub.
package hubtest

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A File is a file of a repository.
type File struct {
	Size int64
	LFS  bool // hashed with SHA-256 instead of git's SHA-1
	hash string
	open func() (io.ReadSeekCloser, error)
}

// Bytes returns a file with the given contents.
func Bytes(data []byte, lfs bool) *File {
	return newFile(int64(len(data)), lfs, func() (io.ReadSeekCloser, error) { return nopCloser{bytes.NewReader(data)}, nil })
}

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }

func newFile(size int64, lfs bool, open func() (io.ReadSeekCloser, error)) *File {
	f := &File{Size: size, LFS: lfs, open: open}
	sum := sha256.New()
	if !lfs {
		sum = sha1.New()
		fmt.Fprintf(sum, "blob %d\x00", size)
	}
	in, err := open()
	if err != nil {
		panic(err) // the caller's own file
	}
	defer in.Close()
	if _, err := io.Copy(sum, in); err != nil {
		panic(err)
	}
	f.hash = fmt.Sprintf("%x", sum.Sum(nil))
	return f
}

// Files reads the files of a folder; those of 1 MiB and more are LFS files.
func Files(dir string) (map[string]*File, error) {
	files := make(map[string]*File)
	dir, err := filepath.Abs(dir) // independent of later changes of the working directory
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(name)] = newFile(info.Size(), info.Size() >= 1<<20, func() (io.ReadSeekCloser, error) { return os.Open(path) })
		return nil
	})
	return files, err
}

// Commit is the commit of every repository's main branch.
const Commit = "0123456789abcdef0123456789abcdef01234567"

// A Hub is an HTTP handler that simulates the hub. Its fields must be set before it is
// used, or between requests by Set.
type Hub struct {
	Files     map[string]*File              // of the repository o/n
	Revisions map[string]map[string]*File   // other revisions, by commit
	Names     map[string]string             // commits by the names of branches and tags
	Extra     []string                      // listed names without a file
	Token     string                        // required in requests, if set
	Bare      bool                          // the list has neither sizes nor hashes, as on some mirrors
	Away      string                        // address to which LFS files are redirected, if set
	Fault     func(*Request) (handled bool) // injects faults into requests, if set

	mu       sync.Mutex
	requests []string
}

// A Request is a request to the hub, for Fault.
type Request struct {
	W    http.ResponseWriter
	R    *http.Request
	File *File // nil for the list
	Name string
	From int64 // start of its range
}

// Open returns the contents of the requested file.
func (r *Request) Open() []byte {
	in, err := r.File.open()
	if err != nil {
		panic(err)
	}
	defer in.Close()
	data, err := io.ReadAll(in)
	if err != nil {
		panic(err)
	}
	return data
}

// Set modifies the hub while it is in use.
func (h *Hub) Set(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}

// Requests returns the requested paths, followed by their ranges.
func (h *Hub) Requests() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.requests)
}

// ServeHTTP answers like the hub.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	line := r.URL.Path
	if r.Method != http.MethodGet {
		line = r.Method + " " + line
	}
	if from := r.Header.Get("Range"); from != "" {
		line += " " + from
	}
	h.mu.Lock()
	h.requests = append(h.requests, line)
	token, fault := h.Token, h.Fault
	h.mu.Unlock()
	if token != "" && r.Header.Get("Authorization") != "Bearer "+token {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	request := &Request{W: w, R: r}
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &request.From); err != nil {
		request.From = 0
	}
	if rest, ok := strings.CutPrefix(r.URL.Path, "/api/models/o/n/"); ok {
		if fault != nil && fault(request) {
			return
		}
		h.list(w, rest)
		return
	}
	rest, ok := strings.CutPrefix(r.URL.Path, "/o/n/resolve/")
	revision, name, _ := strings.Cut(rest, "/")
	commit, files := h.revision(revision)
	file := files[name]
	if !ok || file == nil {
		w.Header().Set("X-Error-Code", "EntryNotFound")
		w.WriteHeader(http.StatusNotFound)
		return
	}
	request.File, request.Name = file, name
	if fault != nil && fault(request) {
		return
	}
	h.serve(w, r, commit, file)
}

func (h *Hub) serve(w http.ResponseWriter, r *http.Request, commit string, file *File) {
	w.Header().Set("X-Repo-Commit", commit)
	tag := strconv.Quote(file.hash)
	if file.LFS {
		w.Header().Set("X-Linked-Etag", tag)
		w.Header().Set("X-Linked-Size", strconv.FormatInt(file.Size, 10))
		if h.Away != "" {
			http.Redirect(w, r, h.Away+r.URL.Path, http.StatusFound)
			return
		}
	}
	w.Header().Set("ETag", tag)
	in, err := file.open()
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	defer in.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, in)
}

// revision returns the commit and the files of a revision.
func (h *Hub) revision(name string) (commit string, files map[string]*File) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if name == "main" || name == Commit {
		return Commit, h.Files
	}
	if commit, ok := h.Names[name]; ok {
		name = commit
	}
	return name, h.Revisions[name]
}

// list replies with the list of a revision's files, as a repository description or a
// tree.
func (h *Hub) list(w http.ResponseWriter, rest string) {
	kind, revision, _ := strings.Cut(rest, "/")
	commit, files := h.revision(revision)
	if files == nil || kind != "revision" && kind != "tree" {
		w.Header().Set("X-Error-Code", "RevisionNotFound")
		w.WriteHeader(http.StatusNotFound)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	list := []map[string]any{}
	for name, f := range files {
		if kind == "tree" {
			e := map[string]any{"type": "file", "path": name, "size": f.Size, "oid": f.hash}
			if f.LFS {
				e["lfs"] = map[string]any{"oid": f.hash, "size": f.Size, "pointerSize": 130}
			}
			list = append(list, e)
			continue
		}
		e := map[string]any{"rfilename": name}
		if !h.Bare {
			e["size"], e["blobId"] = f.Size, f.hash
			if f.LFS {
				e["blobId"] = strings.Repeat("0", 40)
				e["lfs"] = map[string]any{"sha256": f.hash, "size": f.Size, "pointerSize": 130}
			}
		}
		list = append(list, e)
	}
	for _, name := range h.Extra {
		list = append(list, map[string]any{"rfilename": name, "size": 1, "blobId": strings.Repeat("0", 40)})
	}
	w.Header().Set("Content-Type", "application/json")
	if kind == "tree" {
		_ = json.NewEncoder(w).Encode(list)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"id": "o/n", "modelId": "o/n", "sha": commit, "private": false, "gated": false, "disabled": false,
		"downloads": 0, "likes": 0, "tags": []string{}, "siblings": list})
}
