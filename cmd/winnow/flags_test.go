package main

import (
	"slices"
	"strings"
	"testing"
)

func TestTranslate(t *testing.T) {
	for _, c := range []struct {
		name string
		args string
		env  map[string]string
		want string // in kong's terms, with spaces between
		idle string
	}{
		{name: "nothing"},
		{name: "the 4D component",
			args: "--model FILE.gguf --port 8080 --pooling rank --log-disable --reranking --n-gpu-layers -1",
			want: "--model=FILE.gguf --port=8080 --pooling=rank --log-disable --rerank", idle: "--gpu-layers"},
		{name: "short names of several letters", args: "-m a -ub 512 -b 2048 -np 4 -to 60 -hf o/n -hff f -ngl 99 -fa on -fa",
			want: "--model=a --ubatch-size=512 --batch-size=2048 --parallel=4 --timeout=60 --hf-repo=o/n --hf-file=f", idle: "--gpu-layers --flash-attn"},
		{name: "values joined, underscores", args: "--ctx_size=512 --api_key=a=b --embedding=true --metrics=false", want: "--ctx-size=512 --api-key=a=b --embedding"},
		{name: "switched off", args: "--no-webui --no-slots --no-kv-offload -nkvo --no-mmap --slots", want: "--no-ui --no-slots --slots", idle: "--kv-offload --mmap"},
		{name: "repeated", args: "-m a=x -m b=y", want: "--model=a=x --model=b=y"},
		{name: "environment", env: map[string]string{"LLAMA_ARG_MODEL": "x.gguf", "LLAMA_ARG_PORT": "9", "LLAMA_ARG_RERANKING": "1", "LLAMA_ARG_ENDPOINT_METRICS": "off",
			"LLAMA_ARG_UI": "0", "LLAMA_ARG_N_GPU_LAYERS": "99", "LLAMA_API_KEY": "k", "HF_TOKEN": "t"},
			want: "--model=x.gguf --port=9 --rerank --api-key=k --no-ui --hf-token=t", idle: "--gpu-layers"},
		{name: "the command line goes before the environment", args: "--port 1", env: map[string]string{"LLAMA_ARG_PORT": "2"}, want: "--port=1"},
		{name: "negative numbers", args: "-ngl -1 --port -1", want: "--port=-1", idle: "--gpu-layers"},
	} {
		out, idle, err := translate(strings.Fields(c.args), func(name string) string { return c.env[name] })
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := strings.Join(out, " "); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
		if got := strings.Join(idle, " "); got != c.idle {
			t.Errorf("%s: no effect %q, want %q", c.name, got, c.idle)
		}
	}
	for args, want := range map[string]string{
		"--modle x":        "unknown flag --modle; did you mean --model?",
		"--rerankin":       "unknown flag --rerankin; did you mean --reranking?",
		"--n-gpu-layer 1":  "unknown flag --n-gpu-layer; did you mean --n-gpu-layers?",
		"--qqqqqqqqqqqqqq": "unknown flag --qqqqqqqqqqqqqq",
		"--port":           "flag --port: missing value",
		"model.gguf":       `unexpected argument "model.gguf": serve accepts only flags`,
		"--no-webui=x":     "flag --no-webui takes no value",
		"--metrics=x":      "flag --metrics takes no value",
	} {
		if _, _, err := translate(strings.Fields(args), func(string) string { return "" }); err == nil || err.Error() != want {
			t.Errorf("%s: error %v, want %s", args, err, want)
		}
	}
	if _, _, err := translate(nil, func(name string) string { return map[string]string{"LLAMA_ARG_RERANKING": "maybe"}[name] }); err == nil {
		t.Error("LLAMA_ARG_RERANKING=maybe is taken")
	}
}

// TestServerFlags: each of llama-server's names that users rely on is taken, alone
// and where there is one by its variable; v stands for a value.
func TestServerFlags(t *testing.T) {
	for _, c := range []struct{ args, env, want string }{
		{"-m v|--model v", "LLAMA_ARG_MODEL=v", "--model=v"},
		{"-a v|--alias v", "LLAMA_ARG_ALIAS=v", "--alias=v"},
		{"--host v", "LLAMA_ARG_HOST=v", "--host=v"},
		{"--port v", "LLAMA_ARG_PORT=v", "--port=v"},
		{"-t v|--threads v", "LLAMA_ARG_THREADS=v", "--threads=v"},
		{"-c v|--ctx-size v", "LLAMA_ARG_CTX_SIZE=v", "--ctx-size=v"},
		{"-b v|--batch-size v", "LLAMA_ARG_BATCH=v", "--batch-size=v"},
		{"-ub v|--ubatch-size v", "LLAMA_ARG_UBATCH=v", "--ubatch-size=v"},
		{"-np v|--parallel v", "LLAMA_ARG_N_PARALLEL=v", "--parallel=v"},
		{"--rerank|--reranking", "LLAMA_ARG_RERANKING=1", "--rerank"},
		{"--embedding|--embeddings", "LLAMA_ARG_EMBEDDINGS=true", "--embedding"},
		{"--pooling v", "LLAMA_ARG_POOLING=v", "--pooling=v"},
		{"--api-key v", "LLAMA_API_KEY=v", "--api-key=v"},
		{"--api-key-file v", "LLAMA_ARG_API_KEY_FILE=v", "--api-key-file=v"},
		{"--ssl-key-file v", "LLAMA_ARG_SSL_KEY_FILE=v", "--ssl-key-file=v"},
		{"--ssl-cert-file v", "LLAMA_ARG_SSL_CERT_FILE=v", "--ssl-cert-file=v"},
		{"-to v|--timeout v", "LLAMA_ARG_TIMEOUT=v", "--timeout=v"},
		{"--metrics", "LLAMA_ARG_ENDPOINT_METRICS=on", "--metrics"},
		{"--no-webui", "LLAMA_ARG_UI=0", "--no-ui"},
		{"--log-disable", "", "--log-disable"},
		{"--log-file v", "LLAMA_ARG_LOG_FILE=v", "--log-file=v"},
		{"-v|--verbose", "", "--verbose"},
		{"-hf v|--hf-repo v", "LLAMA_ARG_HF_REPO=v", "--hf-repo=v"},
		{"-hff v|--hf-file v", "LLAMA_ARG_HF_FILE=v", "--hf-file=v"},
		{"--hf-token v", "HF_TOKEN=v", "--hf-token=v"},
		{"--offline", "LLAMA_ARG_OFFLINE=1", "--offline"},
		{"--path v", "LLAMA_ARG_STATIC_PATH=v", "--path=v"},
		{"--mlock", "LLAMA_ARG_MLOCK=1", "idle --mlock"},
		{"--no-mmap", "LLAMA_ARG_MMAP=0", "idle --mmap"},
		{"--chat-template v", "LLAMA_ARG_CHAT_TEMPLATE=v", "--chat-template=v"},
		{"-ngl v|--gpu-layers v|--n-gpu-layers v", "LLAMA_ARG_N_GPU_LAYERS=v", "idle --gpu-layers"},
		{"-fa|--flash-attn|-fa on|--flash-attn auto", "LLAMA_ARG_FLASH_ATTN=1", "idle --flash-attn"},
		{"-nkvo|--no-kv-offload", "LLAMA_ARG_KV_OFFLOAD=0", "idle --kv-offload"},
		{"-sm v|--split-mode v", "LLAMA_ARG_SPLIT_MODE=v", "idle --split-mode"},
		{"-mg v|--main-gpu v", "LLAMA_ARG_MAIN_GPU=v", "idle --main-gpu"},
	} {
		check := func(by, args, variable, value string) {
			out, idle, err := translate(strings.Fields(args), func(name string) string {
				if name == variable {
					return value
				}
				return ""
			})
			got := strings.Join(out, " ")
			if len(idle) > 0 {
				got = strings.TrimSpace("idle " + strings.Join(idle, " ") + " " + got)
			}
			if err != nil || got != c.want {
				t.Errorf("%s becomes %q, %v; want %q", by, got, err, c.want)
			}
		}
		for args := range strings.SplitSeq(c.args, "|") {
			check(args, args, "", "")
		}
		if name, value, ok := strings.Cut(c.env, "="); ok {
			check(c.env, "", name, value)
		}
	}
}

// TestFlagTable: no name is there twice, and each flag that has an effect is one
// of serveCommand's.
func TestFlagTable(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range serveFlags {
		for _, name := range slices.Concat(f.names, f.off, []string{f.env}) {
			if name != "" && seen[name] {
				t.Errorf("%s is there twice", name)
			}
			seen[name] = true
		}
	}
	status, _, stderr := runWith(t, "", "serve", "--help")
	if status != statusDone {
		t.Fatalf("status %d: %s", status, stderr)
	}
	_, help, _ := runWith(t, "", "serve", "--help")
	for _, f := range serveFlags {
		if f.to != "" && !strings.Contains(help, "--"+f.to) && !strings.Contains(help, "--[no-]"+f.to) {
			t.Errorf("%s becomes --%s, which serve does not have", f.names, f.to)
		}
	}
}

func FuzzTranslate(f *testing.F) {
	f.Add("--model x --port 1 -ngl 5 -fa")
	f.Fuzz(func(t *testing.T, args string) {
		out, _, err := translate(strings.Fields(args), func(string) string { return "" })
		if err != nil {
			return
		}
		for _, a := range out {
			if !strings.HasPrefix(a, "--") {
				t.Errorf("%q gives %q", args, a)
			}
		}
	})
}
