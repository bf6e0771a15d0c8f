// Package hub finds models of the Hugging Face hub in the usual cache on disk
// and downloads them into it.
//
// The cache has the layout of the hub's own client, so that files are shared
// with it: models--ORG--NAME/refs/REVISION holds a commit, snapshots/COMMIT the
// files under their names as links to blobs/HASH. What is being downloaded is
// blobs/HASH.incomplete, under a lock in .locks.
package hub
