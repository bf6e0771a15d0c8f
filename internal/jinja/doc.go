// Package jinja renders the chat templates published with models: the part of the
// Jinja2 language that they use, configured as in transformers (trim_blocks,
// lstrip_blocks, loop controls, the function raise_exception).
//
// Parse rejects other parts of the language by name. Rendering is limited in steps and
// output, so that templates from untrusted files terminate.
package jinja
