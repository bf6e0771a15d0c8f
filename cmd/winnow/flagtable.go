package main

import (
	"slices"
	"strings"
)

// A flag is a flag of winnow serve.
type flag struct {
	names   []string // as written; the first long one appears in messages
	off     []string // names that switch it off
	env     string   // environment variable
	to      string   // long name in serveCommand; "" if the flag has no effect
	toOff   string   // the same for off
	value   bool     // a value follows
	perhaps []string // values that may follow, if value is false
}

// serveFlags is parsed from the tables below, one flag a line: names, then after a bar
// names that switch it off, then in any order =to, ~toOff, the environment variable, and
// V for a value or ? for an optional on/off.
var serveFlags = parseFlags(effectiveFlags + idleFlags)

const effectiveFlags = `
-h --help --usage =help
--version =version
-m --model =model V LLAMA_ARG_MODEL
-a --alias =alias V LLAMA_ARG_ALIAS
--tags =tags V LLAMA_ARG_TAGS
--models-dir =models-dir V LLAMA_ARG_MODELS_DIR
--models-max =models-max V LLAMA_ARG_MODELS_MAX
--host =host V LLAMA_ARG_HOST
--port =port V LLAMA_ARG_PORT
--api-prefix =api-prefix V LLAMA_ARG_API_PREFIX
--path =path V LLAMA_ARG_STATIC_PATH
-t --threads =threads V LLAMA_ARG_THREADS
-c --ctx-size =ctx-size V LLAMA_ARG_CTX_SIZE
-b --batch-size =batch-size V LLAMA_ARG_BATCH
-ub --ubatch-size =ubatch-size V LLAMA_ARG_UBATCH
-np --parallel =parallel V LLAMA_ARG_N_PARALLEL
--rerank --reranking =rerank LLAMA_ARG_RERANKING
--embedding --embeddings =embedding LLAMA_ARG_EMBEDDINGS
--pooling =pooling V LLAMA_ARG_POOLING
--api-key =api-key V LLAMA_API_KEY
--api-key-file =api-key-file V LLAMA_ARG_API_KEY_FILE
--ssl-key-file =ssl-key-file V LLAMA_ARG_SSL_KEY_FILE
--ssl-cert-file =ssl-cert-file V LLAMA_ARG_SSL_CERT_FILE
-to --timeout =timeout V LLAMA_ARG_TIMEOUT
--metrics =metrics LLAMA_ARG_ENDPOINT_METRICS
--slots | --no-slots =slots ~no-slots LLAMA_ARG_ENDPOINT_SLOTS
--ui --webui | --no-ui --no-webui =ui ~no-ui LLAMA_ARG_UI
--cors-origins =cors-origins V LLAMA_ARG_CORS_ORIGINS
--cors-methods =cors-methods V LLAMA_ARG_CORS_METHODS
--cors-headers =cors-headers V LLAMA_ARG_CORS_HEADERS
--cors-credentials | --no-cors-credentials =cors-credentials ~no-cors-credentials LLAMA_ARG_CORS_CREDENTIALS
--log-disable =log-disable
--log-file =log-file V LLAMA_ARG_LOG_FILE
--log-jsonl | --no-log-jsonl =log-jsonl ~no-log-jsonl LLAMA_ARG_LOG_JSONL
-v --verbose --log-verbose =verbose
-lv --verbosity --log-verbosity =verbosity V LLAMA_ARG_LOG_VERBOSITY
-hf -hfr --hf-repo =hf-repo V LLAMA_ARG_HF_REPO
-hff --hf-file =hf-file V LLAMA_ARG_HF_FILE
-hft --hf-token =hf-token V HF_TOKEN
--offline =offline LLAMA_ARG_OFFLINE
--precision =precision V
--max-length =max-length V
--batch-tokens =batch-tokens V
--label =label V
--score =score V
--template =template V
--instruction =instruction V
--plain-text =plain-text
--queue-tokens =queue-tokens V
--max-body =max-body V
--max-documents =max-documents V
--cache-size =cache-size V
--pprof =pprof
-n --predict --n-predict =n-predict V LLAMA_ARG_N_PREDICT
-s --seed =seed V
--ignore-eos =ignore-eos
--temp --temperature =temp V LLAMA_ARG_TEMPERATURE
--top-k =top-k V LLAMA_ARG_TOP_K
--top-p =top-p V LLAMA_ARG_TOP_P
--min-p =min-p V LLAMA_ARG_MIN_P
--shutdown-timeout =shutdown-timeout V
--allowed-hosts =allowed-hosts V
--chat-template =chat-template V LLAMA_ARG_CHAT_TEMPLATE
--chat-template-file =chat-template-file V LLAMA_ARG_CHAT_TEMPLATE_FILE
`

const idleFlags = `
-ngl --gpu-layers --n-gpu-layers V LLAMA_ARG_N_GPU_LAYERS
-fa --flash-attn ? LLAMA_ARG_FLASH_ATTN
-kvo --kv-offload | -nkvo --no-kv-offload LLAMA_ARG_KV_OFFLOAD
-sm --split-mode V LLAMA_ARG_SPLIT_MODE
-ts --tensor-split V LLAMA_ARG_TENSOR_SPLIT
-mg --main-gpu V LLAMA_ARG_MAIN_GPU
-dev --device V LLAMA_ARG_DEVICE
-fit --fit V LLAMA_ARG_FIT
-fitt --fit-target V LLAMA_ARG_FIT_TARGET
-fitc --fit-ctx V LLAMA_ARG_FIT_CTX
-ot --override-tensor V LLAMA_ARG_OVERRIDE_TENSOR
-cmoe --cpu-moe LLAMA_ARG_CPU_MOE
-ncmoe --n-cpu-moe V LLAMA_ARG_N_CPU_MOE
-ncffn --n-cpu-ffn V LLAMA_ARG_N_CPU_FFN
--op-offload | --no-op-offload
--no-host LLAMA_ARG_NO_HOST
--mlock LLAMA_ARG_MLOCK
--mmap | --no-mmap LLAMA_ARG_MMAP
-lm --load-mode V LLAMA_ARG_LOAD_MODE
-lzm --lazy-mode V LLAMA_ARG_LAZY_MODE
--numa V LLAMA_ARG_NUMA
-tb --threads-batch V LLAMA_ARG_THREADS_BATCH
--threads-http V LLAMA_ARG_THREADS_HTTP
-C --cpu-mask V
-Cr --cpu-range V
--cpu-strict V
-Cb --cpu-mask-batch V
-Crb --cpu-range-batch V
--cpu-strict-batch V
--prio V
--prio-batch V
--poll V
--poll-batch V
--keep V
--swa-full LLAMA_ARG_SWA_FULL
-ctxcp --ctx-checkpoints --swa-checkpoints V LLAMA_ARG_CTX_CHECKPOINTS
-cms --checkpoint-min-step V LLAMA_ARG_CHECKPOINT_MIN_SPACING_NT
-cram --cache-ram V LLAMA_ARG_CACHE_RAM
-kvu --kv-unified | -no-kvu --no-kv-unified LLAMA_ARG_KV_UNIFIED
--kv-unified-per-slot V LLAMA_ARG_KV_UNIFIED_PER_SLOT
--cache-idle-slots | --no-cache-idle-slots LLAMA_ARG_CACHE_IDLE_SLOTS
--context-shift | --no-context-shift LLAMA_ARG_CONTEXT_SHIFT
--perf | --no-perf LLAMA_ARG_PERF
-e --escape | --no-escape
-sp --special
--warmup | --no-warmup LLAMA_ARG_WARMUP
--spm-infill
--repack | -nr --no-repack LLAMA_ARG_REPACK
-ctk --cache-type-k V LLAMA_ARG_CACHE_TYPE_K
-ctv --cache-type-v V LLAMA_ARG_CACHE_TYPE_V
-dt --defrag-thold V LLAMA_ARG_DEFRAG_THOLD
-cb --cont-batching | -nocb --no-cont-batching LLAMA_ARG_CONT_BATCHING
-gan --grp-attn-n V
-gaw --grp-attn-w V
--rope-scaling V LLAMA_ARG_ROPE_SCALING_TYPE
--rope-scale V LLAMA_ARG_ROPE_SCALE
--rope-freq-base V LLAMA_ARG_ROPE_FREQ_BASE
--rope-freq-scale V LLAMA_ARG_ROPE_FREQ_SCALE
--yarn-orig-ctx V LLAMA_ARG_YARN_ORIG_CTX
--yarn-ext-factor V LLAMA_ARG_YARN_EXT_FACTOR
--yarn-attn-factor V LLAMA_ARG_YARN_ATTN_FACTOR
--yarn-beta-slow V LLAMA_ARG_YARN_BETA_SLOW
--yarn-beta-fast V LLAMA_ARG_YARN_BETA_FAST
--check-tensors
--override-kv V
--reuse-port LLAMA_ARG_REUSE_PORT
--embd-normalize V
--samplers V
--sampler-seq --sampling-seq V
--top-nsigma --top-n-sigma V
--xtc-probability V
--xtc-threshold V
--typical --typical-p V
--repeat-last-n V
--repeat-penalty V LLAMA_ARG_REPEAT_PENALTY
--presence-penalty V LLAMA_ARG_PRESENCE_PENALTY
--frequency-penalty V LLAMA_ARG_FREQUENCY_PENALTY
--dry-multiplier V
--dry-base V
--dry-allowed-length V
--dry-penalty-last-n V
--dry-sequence-breaker V
--dynatemp-range V
--dynatemp-exp V
--mirostat V
--mirostat-lr V
--mirostat-ent V
-l --logit-bias V
--grammar V
--grammar-file V
-j --json-schema V
-jf --json-schema-file V
-bs --backend-sampling LLAMA_ARG_BACKEND_SAMPLING
-sps --slot-prompt-similarity V
--slot-save-path V
--sleep-idle-seconds V
--props LLAMA_ARG_ENDPOINT_PROPS
--cache-prompt | --no-cache-prompt LLAMA_ARG_CACHE_PROMPT
--cache-reuse V LLAMA_ARG_CACHE_REUSE
--sse-ping-interval V LLAMA_ARG_SSE_PING_INTERVAL
--jinja | --no-jinja LLAMA_ARG_JINJA
--chat-template-kwargs V LLAMA_ARG_CHAT_TEMPLATE_KWARGS
--reasoning-format V LLAMA_ARG_THINK
-rea --reasoning V LLAMA_ARG_REASONING
--reasoning-effort V LLAMA_ARG_REASONING_EFFORT
--reasoning-budget V LLAMA_ARG_THINK_BUDGET
--reasoning-budget-message V LLAMA_ARG_THINK_BUDGET_MESSAGE
--prefill-assistant | --no-prefill-assistant LLAMA_ARG_PREFILL_ASSISTANT
--models-autoload | --no-models-autoload LLAMA_ARG_MODELS_AUTOLOAD
--ui-config --webui-config V LLAMA_ARG_UI_CONFIG
--ui-config-file --webui-config-file V LLAMA_ARG_UI_CONFIG_FILE
--log-colors ? LLAMA_ARG_LOG_COLORS
--log-prefix | --no-log-prefix LLAMA_ARG_LOG_PREFIX
--log-timestamps | --no-log-timestamps LLAMA_ARG_LOG_TIMESTAMPS
-md --model-draft --spec-draft-model V LLAMA_ARG_SPEC_DRAFT_MODEL
-td --threads-draft --spec-draft-threads V
-ngld --gpu-layers-draft --n-gpu-layers-draft --spec-draft-ngl V LLAMA_ARG_N_GPU_LAYERS_DRAFT
--draft --draft-n --draft-max V LLAMA_ARG_DRAFT_MAX
--draft-min --draft-n-min V LLAMA_ARG_DRAFT_MIN
`

func parseFlags(table string) []flag {
	var flags []flag
	for line := range strings.Lines(table) {
		var f flag
		names := &f.names
		for word := range strings.FieldsSeq(line) {
			switch {
			case word == "|":
				names = &f.off
			case word == "V":
				f.value = true
			case word == "?":
				f.perhaps = []string{"on", "off", "auto", "1", "0", "true", "false"}
			case word[0] == '=':
				f.to = word[1:]
			case word[0] == '~':
				f.toOff = word[1:]
			case word[0] == '-':
				*names = append(*names, word)
			default:
				f.env = word
			}
		}
		if f.names != nil {
			flags = append(flags, f)
		}
	}
	return flags
}

// shown returns the flag's name for messages.
func (f *flag) shown() string {
	for _, name := range f.names {
		if strings.HasPrefix(name, "--") {
			return name
		}
	}
	return f.names[0]
}

func findFlag(name string) (f *flag, off bool) {
	for i := range serveFlags {
		f := &serveFlags[i]
		if slices.Contains(f.names, name) {
			return f, false
		}
		if slices.Contains(f.off, name) {
			return f, true
		}
	}
	return nil, false
}
