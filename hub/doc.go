// Package hub finds models of the Hugging Face hub in the standard cache on disk
// and downloads them into it.
//
// The cache has the layout of the hub's own client, so that files are shared with
// it: models--ORG--NAME/refs/REVISION contains a commit, and snapshots/COMMIT
// contains the files under their names as links to blobs/HASH. Incomplete downloads
// are in blobs/HASH.incomplete and locked in .locks.
package hub
