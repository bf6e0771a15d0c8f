package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// DefaultEndpoint is the hub; HF_ENDPOINT names another.
const DefaultEndpoint = "https://huggingface.co"

// A Source gives models by their names on the hub. The zero value uses the
// usual cache and the hub itself.
type Source struct {
	Dir      string // of the cache; "" means CacheDir
	Endpoint string // "" means HF_ENDPOINT, or DefaultEndpoint
	Token    string
	Offline  bool // download nothing
	// Progress is told of a file's download as it goes on, if it is set: done
	// of total bytes, the last time with both equal.
	Progress func(file string, done, total int64)
}

func (s *Source) dir() (string, error) {
	if s.Dir != "" {
		return s.Dir, nil
	}
	return CacheDir(os.Getenv)
}

// Get is the path of the model in the cache, downloaded if it is not there.
func (s *Source) Get(ctx context.Context, ref Ref) (string, error) {
	dir, err := s.dir()
	if err != nil {
		return "", err
	}
	path, err := Find(dir, ref)
	if err == nil || !errors.Is(err, ErrNotCached) {
		return path, err
	}
	if s.Offline {
		return "", fmt.Errorf("%w in %s, and --offline forbids to download it", err, dir)
	}
	return s.Pull(ctx, ref)
}

// repository is what the hub tells of one.
type repository struct {
	SHA      string `json:"sha"`
	Siblings []struct {
		Name string `json:"rfilename"`
		Size int64  `json:"size"`
		LFS  *struct {
			SHA256 string `json:"sha256"`
			Size   int64  `json:"size"`
		} `json:"lfs"`
		Blob string `json:"blobId"`
	} `json:"siblings"`
}

// A remoteFile is a file of a repository with what its contents hash to.
type remoteFile struct {
	name string
	size int64
	hash string // hexadecimal: SHA-256, or git's SHA-1 of a blob
}

// maxReply bounds what the hub may tell of a repository.
const maxReply = 32 << 20

// Pull downloads the model's newest version, as far as the cache does not have
// it, and gives its path. A download that was broken off is taken up again.
func (s *Source) Pull(ctx context.Context, ref Ref) (string, error) {
	dir, err := s.dir()
	if err != nil {
		return "", err
	}
	repo, err := s.repository(ctx, ref)
	if err != nil {
		return "", err
	}
	if !isHex(repo.SHA) {
		return "", fmt.Errorf("%s: the hub gives commit %q: expected a hexadecimal number", ref.Repo, repo.SHA)
	}
	remote := make(map[string]remoteFile)
	var names []string
	for _, f := range repo.Siblings {
		if !safe(f.Name) {
			return "", fmt.Errorf("%s: the hub lists a file %q: expected a path within the repository", ref.Repo, f.Name)
		}
		file := remoteFile{f.Name, f.Size, f.Blob}
		if f.LFS != nil {
			file.size, file.hash = f.LFS.Size, f.LFS.SHA256
		}
		remote[f.Name] = file
		names = append(names, f.Name)
	}
	chosen, _, err := ref.choose(names)
	if err != nil {
		return "", err
	}
	root := filepath.Join(dir, ref.folder())
	snapshot := filepath.Join(root, "snapshots", repo.SHA)
	for _, name := range chosen {
		if err := s.file(ctx, ref, repo.SHA, remote[name], root, snapshot); err != nil {
			return "", fmt.Errorf("%s: %s: %w", ref.Repo, name, err)
		}
	}
	if err := writeRef(root, repo.SHA); err != nil {
		return "", err
	}
	return findIn(snapshot, ref)
}

func isHex(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && s != ""
}

// writeRef makes the commit the newest one, after all its files are there.
func writeRef(root, commit string) error {
	refs := filepath.Join(root, "refs")
	if err := os.MkdirAll(refs, 0o755); err != nil {
		return err
	}
	tmp := filepath.Join(refs, fmt.Sprintf("main.%d.tmp", os.Getpid()))
	if err := os.WriteFile(tmp, []byte(commit), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(refs, "main"))
}

func (s *Source) endpoint() string {
	e := s.Endpoint
	if e == "" {
		e = os.Getenv("HF_ENDPOINT")
	}
	if e == "" {
		e = DefaultEndpoint
	}
	return strings.TrimSuffix(e, "/")
}

// client gives up on a hub that says nothing, not on one that is slow.
var client = &http.Client{Transport: func() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = 30 * time.Second
	return t
}()}

func (s *Source) get(ctx context.Context, address string, from int64) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "winnow")
	if s.Token != "" {
		r.Header.Set("Authorization", "Bearer "+s.Token)
	}
	if from > 0 {
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	}
	return client.Do(r)
}

func (s *Source) repository(ctx context.Context, ref Ref) (*repository, error) {
	reply, err := s.get(ctx, s.endpoint()+"/api/models/"+ref.Repo+"/revision/main?blobs=true", 0)
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	switch reply.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return nil, fmt.Errorf("%s: the hub has no such model", ref.Repo)
	case http.StatusUnauthorized, http.StatusForbidden:
		return nil, fmt.Errorf("%s: there is no such model, or it is not open to all: set HF_TOKEN to a token that may read it (the hub says %s)", ref.Repo, reply.Status)
	default:
		return nil, fmt.Errorf("%s: the hub says %s", ref.Repo, reply.Status)
	}
	var repo repository
	if err := json.NewDecoder(io.LimitReader(reply.Body, maxReply)).Decode(&repo); err != nil {
		return nil, fmt.Errorf("%s: the hub's list of files: %w", ref.Repo, err)
	}
	return &repo, nil
}

// file sees to it that the snapshot has the file.
func (s *Source) file(ctx context.Context, ref Ref, commit string, f remoteFile, root, snapshot string) error {
	if !isHex(f.hash) {
		return fmt.Errorf("the hub gives no hash of it")
	}
	path := filepath.Join(snapshot, filepath.FromSlash(f.name))
	if info, err := os.Stat(path); err == nil && info.Size() == f.size {
		return nil
	}
	blob := filepath.Join(root, "blobs", f.hash)
	for _, folder := range []string{filepath.Dir(path), filepath.Dir(blob)} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	if info, err := os.Stat(blob); err != nil || info.Size() != f.size {
		address := s.endpoint() + "/" + ref.Repo + "/resolve/" + commit + "/" + (&url.URL{Path: f.name}).EscapedPath()
		if err := s.download(ctx, address, f, blob); err != nil {
			return err
		}
	}
	return link(blob, path)
}

// link makes path the blob: as a symbolic link, or, where the system has none
// for users, by moving it there.
func link(blob, path string) error {
	_ = os.Remove(path)
	target, err := filepath.Rel(filepath.Dir(path), blob)
	if err != nil {
		return err
	}
	if os.Symlink(target, path) == nil {
		return nil
	}
	return os.Rename(blob, path)
}

// download fetches a file into blob by way of blob.incomplete, which it takes up
// if it is there, and checks it.
func (s *Source) download(ctx context.Context, address string, f remoteFile, blob string) error {
	partial := blob + ".incomplete"
	out, err := os.OpenFile(partial, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	sum := f.newHash()
	done, err := io.Copy(sum, out)
	if err != nil {
		return err
	}
	restart := func() error {
		sum, done = f.newHash(), 0
		if _, err := out.Seek(0, io.SeekStart); err != nil {
			return err
		}
		return out.Truncate(0)
	}
	if done > f.size {
		if err := restart(); err != nil {
			return err
		}
	}
	if done < f.size || f.size == 0 {
		reply, err := s.get(ctx, address, done)
		if err != nil {
			return err
		}
		defer reply.Body.Close()
		switch reply.StatusCode {
		case http.StatusPartialContent:
		case http.StatusOK:
			if done > 0 { // the hub begins anew
				if err := restart(); err != nil {
					return err
				}
			}
		default:
			return fmt.Errorf("the hub says %s", reply.Status)
		}
		// One byte more than there should be is enough to know.
		body := io.LimitReader(reply.Body, f.size-done+1)
		n, err := io.Copy(io.MultiWriter(out, sum), s.watched(body, f, done))
		done += n
		if err != nil {
			return fmt.Errorf("after %d of %d bytes: %w; the next try goes on from there", done, f.size, err)
		}
	}
	if done != f.size {
		if done > f.size {
			_ = os.Remove(partial)
		}
		return fmt.Errorf("%d bytes came: expected %d", done, f.size)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != strings.ToLower(f.hash) {
		_ = os.Remove(partial)
		return fmt.Errorf("its contents hash to %s: expected %s", got, f.hash)
	}
	if err := out.Close(); err != nil {
		return err
	}
	return os.Rename(partial, blob)
}

// newHash is what the file's hash is made with: SHA-256 for large files, for
// others git's.
func (f remoteFile) newHash() hash.Hash {
	if len(f.hash) == 2*sha256.Size {
		return sha256.New()
	}
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", f.size)
	return h
}

// watched tells s.Progress of what is read.
func (s *Source) watched(r io.Reader, f remoteFile, done int64) io.Reader {
	if s.Progress == nil {
		return r
	}
	return &watch{r, s.Progress, f.name, done, f.size}
}

type watch struct {
	io.Reader
	tell        func(file string, done, total int64)
	file        string
	done, total int64
}

func (w *watch) Read(b []byte) (int, error) {
	n, err := w.Reader.Read(b)
	if n > 0 {
		w.done += int64(n)
		w.tell(w.file, w.done, w.total)
	}
	return n, err
}
