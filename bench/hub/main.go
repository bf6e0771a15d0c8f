// Command hub serves a folder as the model o/n of a stand-in for the Hugging Face
// hub: for bench/hub/run.sh, and to try winnow pull by hand.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"

	"github.com/winnow-rerank/winnow/internal/hubtest"
)

func main() {
	address := flag.String("listen", "127.0.0.1:8765", "address to listen on")
	show := flag.Bool("v", false, "log requests")
	flag.Parse()
	if flag.NArg() != 1 {
		log.Fatal("usage: hub [-listen ADDRESS] [-v] FOLDER")
	}
	files, err := hubtest.Files(flag.Arg(0))
	if err != nil {
		log.Fatal(err)
	}
	hub := &hubtest.Hub{Files: files}
	if *show {
		hub.Fault = func(r *hubtest.Request) bool {
			log.Print(r.R.Method, " ", r.R.URL, " ", r.R.Header.Get("Range"))
			return false
		}
	}
	l, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("HF_ENDPOINT=http://%s\n", l.Addr())
	log.Fatal(http.Serve(l, hub))
}
