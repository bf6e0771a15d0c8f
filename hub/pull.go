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

// A Source gives models by their names on the hub. What a field does not say is
// as the environment has it for the hub's own client.
type Source struct {
	Dir      string // of the cache; "" means CacheDir
	Endpoint string // "" means HF_ENDPOINT, or DefaultEndpoint
	Token    string // "" means TokenFromEnv
	Offline  bool   // download nothing; HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE say so too
	// Silence is how long the hub may say nothing before a download is tried
	// again; 0 means 30 seconds.
	Silence time.Duration
	// Progress is told of a download as it goes on, if it is set: of every file
	// once before any is downloaded, and at last with done equal to total. Several
	// files are under way at once, but it is called by one of them at a time.
	Progress func(file string, done, total int64)
	// Note is told what a user may want to know beside the errors, if it is set: a
	// fault that was got over, a mirror that gives no hashes, a lock that is waited
	// for.
	Note func(message string)

	pause time.Duration // in place of the usual one: for tests
}

// parallel is how many files are downloaded at once.
const parallel = 4

func (s *Source) dir() (string, error) {
	if s.Dir != "" {
		return s.Dir, nil
	}
	return CacheDir(os.Getenv)
}

// offline names what forbids to ask the hub, or is "".
func (s *Source) offline() string {
	if s.Offline {
		return "--offline"
	}
	return OfflineFromEnv(os.Getenv)
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
	return s.Pull(ctx, ref)
}

// Pull downloads the model's newest version, as far as the cache does not have
// it, and gives its path. A download that was broken off is taken up again, what
// the cache has is checked, and another process that downloads the same is waited
// for.
func (s *Source) Pull(ctx context.Context, ref Ref) (string, error) {
	dir, err := s.dir()
	if err != nil {
		return "", err
	}
	if why := s.offline(); why != "" {
		path, err := Find(dir, ref)
		if errors.Is(err, ErrNotCached) {
			return "", fmt.Errorf("%w in %s, and %s forbids to download it", err, dir, why)
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
		return "", fmt.Errorf("%s: the hub gives commit %q: expected a hexadecimal number", ref.Repo, repo.SHA)
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
	dir, root, snapshot string // of the cache, the repository and the commit
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

// noted tells of errors that are got over by another try.
func (p *pull) noted(what string) func(error) {
	return func(err error) { p.note("%s: %v; trying again", what, err) }
}

// A remoteFile is a file of a repository with what its contents hash to.
type remoteFile struct {
	name string
	size int64
	hash string // hexadecimal: SHA-256, or git's SHA-1 of a blob; "" where the hub gives none
	blob string // name of the contents in the cache
}

// describe completes what the hub's list told of the files.
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
			return fmt.Errorf("%s: %s: the hub tells neither its hash nor its size", p.ref.Repo, f.name)
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
		p.note("%s gives no hashes: of %s only the size is checked", p.endpoint.Redacted(), strings.Join(unhashed, ", "))
	}
	return nil
}

// all sees to it that the snapshot has the files.
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

// writeRef makes the commit the one of the revision, after all its files are there.
func (p *pull) writeRef() error {
	revision := p.ref.revision()
	if revision == p.commit {
		return nil
	}
	ref := filepath.Join(p.root, "refs", filepath.FromSlash(revision))
	if err := os.MkdirAll(filepath.Dir(ref), 0o755); err != nil {
		return err
	}
	// Not beside it, where a leftover would be taken for a revision.
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

// file sees to it that the snapshot has the file, with the right contents.
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
			p.note("%s: the cache has other contents than the hub tells of: downloading it anew", f.name)
		}
		if err := p.download(ctx, f, blob, partial); err != nil {
			return err
		}
	}
	return link(blob, path)
}

// lock keeps other processes, the hub's own client among them, from downloading
// the same. Where the file system has no locks, it gives a name of its own for the
// unfinished download instead.
func (p *pull) lock(ctx context.Context, f *remoteFile, blob string) (unlock func(), partial string, err error) {
	path := filepath.Join(p.dir, ".locks", p.ref.folder(), f.blob+".lock")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, "", err
	}
	l := flock.New(path, flock.SetPermissions(0o664))
	ok, err := l.TryLock()
	if err == nil && !ok {
		p.note("%s is being downloaded already: waiting for that", f.name)
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

// link makes path the blob: as a symbolic link, or, where the system has none
// for users, by moving it there.
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
	// What is there is replaced by way of another name, so that it is never missing.
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
