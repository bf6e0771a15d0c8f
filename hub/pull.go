package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/sync/errgroup"
)

// A Source provides models by their names on the hub. Fields that are not set default
// to the environment of the hub's own client.
type Source struct {
	Dir      string // of the cache; default CacheDir
	Endpoint string // default HF_ENDPOINT or DefaultEndpoint
	Token    string // default TokenFromEnv
	Offline  bool   // download nothing; also set by HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE
	// Silence is how long the hub may send nothing before a download is retried; 0
	// means 30 seconds.
	Silence time.Duration
	// Progress, if set, receives the progress of downloads: for every file once before
	// any is downloaded, and finally with done equal to total. Files are downloaded
	// concurrently, but calls are serialised.
	Progress func(file string, done, total int64)
	// Note, if set, receives notices for the user other than errors: a failure that was
	// retried, a mirror without hashes, waiting for a lock.
	Note func(message string)

	pause time.Duration // overrides the default in tests
}

// parallel is the number of concurrent downloads.
const parallel = 4

func (s *Source) dir() (string, error) {
	if s.Dir != "" {
		return s.Dir, nil
	}
	return CacheDir(os.Getenv)
}

// offline returns the name of the setting that forbids requests to the hub, or "".
func (s *Source) offline() string {
	if s.Offline {
		return "--offline"
	}
	return OfflineFromEnv(os.Getenv)
}

// Get returns the path of the model in the cache and downloads it if necessary.
func (s *Source) Get(ctx context.Context, ref Ref) (string, error) {
	dir, err := s.dir()
	if err != nil {
		return "", err
	}
	path, err := Find(dir, ref)
	if err == nil || !errors.Is(err, ErrNotCached) {
		return path, err
	}
	return s.Pull(ctx, ref)
}

// Pull downloads the model's newest version, as far as it is not cached, and returns
// its path. It resumes interrupted downloads, verifies cached files, and waits for
// another process that downloads the same files.
func (s *Source) Pull(ctx context.Context, ref Ref) (string, error) {
	dir, err := s.dir()
	if err != nil {
		return "", err
	}
	if why := s.offline(); why != "" {
		path, err := Find(dir, ref)
		if errors.Is(err, ErrNotCached) {
			return "", fmt.Errorf("%w in %s, and %s forbids downloading it", err, dir, why)
		}
		return path, err
	}
	c, err := s.client()
	if err != nil {
		return "", err
	}
	p := &pull{client: c, ref: ref, dir: dir, root: filepath.Join(dir, ref.folder()), source: s}
	repo, err := c.repository(ctx, ref, p.noted(ref.Repo))
	if err != nil {
		return "", err
	}
	if !isHex(repo.SHA) {
		return "", fmt.Errorf("%s: the hub returned commit %q: expected a hexadecimal number", ref.Repo, repo.SHA)
	}
	p.commit = strings.ToLower(repo.SHA)
	p.snapshot = filepath.Join(p.root, "snapshots", p.commit)
	remote := make(map[string]*remoteFile)
	var names []string
	for _, f := range repo.Siblings {
		if !safe(f.Name) {
			return "", fmt.Errorf("%s: the hub lists a file %q: expected a path within the repository", ref.Repo, f.Name)
		}
		file := &remoteFile{name: f.Name, size: f.Size, hash: f.Blob}
		if f.LFS != nil {
			file.size, file.hash = f.LFS.Size, f.LFS.SHA256
		}
		remote[f.Name] = file
		names = append(names, f.Name)
	}
	chosen, gguf, err := ref.choose(names)
	if err != nil {
		return "", err
	}
	files := make([]*remoteFile, len(chosen))
	for i, name := range chosen {
		files[i] = remote[name]
	}
	if err := p.describe(ctx, files); err != nil {
		return "", err
	}
	if err := p.all(ctx, files); err != nil {
		return "", err
	}
	if err := p.writeRef(); err != nil {
		return "", err
	}
	return modelPath(p.snapshot, chosen, gguf), nil
}

// A pull is the download of one model.
type pull struct {
	*client
	source              *Source
	ref                 Ref
	commit              string
	dir, root, snapshot string // in the cache: dir, that of the repository and that of the commit
	telling, noting     sync.Mutex
}

func (p *pull) tell(f *remoteFile, done int64) {
	if p.source.Progress != nil {
		p.telling.Lock()
		defer p.telling.Unlock()
		p.source.Progress(f.name, done, f.size)
	}
}

func (p *pull) note(format string, args ...any) {
	if p.source.Note != nil {
		p.noting.Lock()
		defer p.noting.Unlock()
		p.source.Note(fmt.Sprintf(format, args...))
	}
}

// noted returns a function that reports errors that are retried.
func (p *pull) noted(what string) func(error) {
	return func(err error) { p.note("%s: %v; trying again", what, err) }
}

// A remoteFile is a file of a repository with its hash.
type remoteFile struct {
	name string
	size int64
	hash string // hexadecimal: SHA-256, or SHA-1 of a git blob; "" if the hub provides none
	blob string // name of the blob in the cache
}

// describe completes the descriptions of the files in the hub's list.
func (p *pull) describe(ctx context.Context, files []*remoteFile) error {
	var unhashed []string
	for _, f := range files {
		f.hash = strings.ToLower(f.hash)
		if isHex(f.hash) && (len(f.hash) == 40 || len(f.hash) == 64) && f.size >= 0 {
			f.blob = f.hash
			continue
		}
		f.size, f.hash = -1, ""
		address := p.address(p.ref, p.commit, f.name)
		if err := p.client.describe(ctx, address, f, p.noted(f.name)); err != nil {
			return fmt.Errorf("%s: %s: %w", p.ref.Repo, f.name, err)
		}
		if f.size < 0 {
			return fmt.Errorf("%s: %s: the hub reports neither its hash nor its size", p.ref.Repo, f.name)
		}
		if f.blob == "" {
			sum := sha256.Sum256([]byte(p.commit + "/" + f.name))
			f.blob = "unhashed-" + hex.EncodeToString(sum[:16])
		}
		if f.hash == "" {
			unhashed = append(unhashed, f.name)
		}
	}
	if len(unhashed) > 0 {
		p.note("%s reports no hashes: only the size of %s is checked", p.endpoint.Redacted(), strings.Join(unhashed, ", "))
	}
	return nil
}

// all downloads the files that the snapshot lacks.
func (p *pull) all(ctx context.Context, files []*remoteFile) error {
	for _, f := range files {
		p.tell(f, 0)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, f := range files {
		g.Go(func() error {
			if err := p.file(ctx, f); err != nil {
				return fmt.Errorf("%s: %s: %w", p.ref.Repo, f.name, err)
			}
			p.tell(f, f.size)
			return nil
		})
	}
	return g.Wait()
}

func isHex(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && s != ""
}

// writeRef sets the revision to the commit, after all files are present.
func (p *pull) writeRef() error {
	revision := p.ref.revision()
	if revision == p.commit {
		return nil
	}
	ref := filepath.Join(p.root, "refs", filepath.FromSlash(revision))
	if err := os.MkdirAll(filepath.Dir(ref), 0o755); err != nil {
		return err
	}
	// In another folder, so that a leftover is not taken for a revision.
	tmp, err := os.CreateTemp(p.root, "ref-*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(p.commit)
	if err := errors.Join(err, tmp.Chmod(0o644), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), ref)
}

// file ensures that the snapshot has the file with the right contents.
func (p *pull) file(ctx context.Context, f *remoteFile) error {
	path := filepath.Join(p.snapshot, filepath.FromSlash(f.name))
	if there, err := f.isAt(ctx, path); there || err != nil {
		return err
	}
	blob := filepath.Join(p.root, "blobs", f.blob)
	for _, folder := range []string{filepath.Dir(path), filepath.Dir(blob)} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	unlock, partial, err := p.lock(ctx, f, blob)
	if err != nil {
		return err
	}
	defer unlock()
	there, err := f.isAt(ctx, blob)
	if err != nil {
		return err
	}
	if !there {
		if _, err := os.Stat(blob); err == nil {
			p.note("%s: the cached file differs from the hub's: downloading it again", f.name)
		}
		if err := p.download(ctx, f, blob, partial); err != nil {
			return err
		}
	}
	return link(blob, path)
}

// lock prevents other processes, including the hub's own client, from downloading the
// same file. On file systems without locks, it returns a unique name for the incomplete
// download instead.
func (p *pull) lock(ctx context.Context, f *remoteFile, blob string) (unlock func(), partial string, err error) {
	path := filepath.Join(p.dir, ".locks", p.ref.folder(), f.blob+".lock")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, "", err
	}
	l := flock.New(path, flock.SetPermissions(0o664))
	ok, err := l.TryLock()
	if err == nil && !ok {
		p.note("%s is already being downloaded: waiting", f.name)
		_, err = l.TryLockContext(ctx, 100*time.Millisecond)
	}
	switch {
	case err == nil:
		return func() { _ = l.Close() }, blob + ".incomplete", nil
	case errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.ENOLCK):
		partial = fmt.Sprintf("%s.%08x.incomplete", blob, rand.Uint32())
		return func() { _ = os.Remove(partial) }, partial, nil
	}
	return nil, "", err
}

// link makes path a symbolic link to blob or, if users cannot create links, moves the
// blob there.
func link(blob, path string) error {
	target, err := filepath.Rel(filepath.Dir(path), blob)
	if err != nil {
		return err
	}
	if have, err := os.Readlink(path); err == nil && have == target {
		return nil
	}
	if os.Symlink(target, path) == nil {
		return nil
	}
	// Replace an existing file by renaming, so that it is never missing.
	tmp := fmt.Sprintf("%s.%08x.tmp", path, rand.Uint32())
	if os.Symlink(target, tmp) != nil {
		return os.Rename(blob, path)
	}
	if err := os.Rename(tmp, path); err != nil {
		_ = os.Remove(tmp)
		return err
	}
	return nil
}
