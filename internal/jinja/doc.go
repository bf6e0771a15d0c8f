// Package jinja renders the chat templates that models are published with: the part
// of the Jinja2 language that they use, as transformers sets it up (trim_blocks,
// lstrip_blocks, loop controls, the function raise_exception).
//
// Parse refuses what is beyond that part by name. Rendering is bounded in steps and
// in what it writes, so that a template from an untrusted file ends.
package jinja
