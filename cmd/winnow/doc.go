// Command winnow ranks documents by their relevance to a query, on the command line and
// as an HTTP server.
package main
