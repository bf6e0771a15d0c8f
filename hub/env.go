package hub

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The environment is interpreted as in the hub's own client, so that settings apply to
// both.

// CacheDir returns the directory in which the hub's client keeps its files:
// HF_HUB_CACHE, HF_HOME/hub, XDG_CACHE_HOME/huggingface/hub or
// ~/.cache/huggingface/hub.
func CacheDir(getenv func(string) string) (string, error) {
	for _, name := range []string{"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"} {
		if dir := getenv(name); dir != "" {
			return expand(dir, getenv), nil
		}
	}
	home, err := homeDir(getenv)
	if err != nil {
		return "", fmt.Errorf("cannot locate the hub cache: %w", err)
	}
	return filepath.Join(home, "hub"), nil
}

// homeDir returns the home directory of the hub's client.
func homeDir(getenv func(string) string) (string, error) {
	if dir := getenv("HF_HOME"); dir != "" {
		return expand(dir, getenv), nil
	}
	if dir := getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(expand(dir, getenv), "huggingface"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".cache", "huggingface"), nil
}

// expand expands ~ and $NAME in variables that no shell has expanded.
func expand(path string, getenv func(string) string) string {
	if path == "~" || strings.HasPrefix(path, "~/") || strings.HasPrefix(path, `~\`) {
		if home, err := os.UserHomeDir(); err == nil {
			path = home + path[1:]
		}
	}
	return os.Expand(path, func(name string) string {
		if value := getenv(name); value != "" {
			return value
		}
		return "$" + name
	})
}

// TokenFromEnv returns the user's token for the hub, or "": HF_TOKEN, or the file that
// a login creates, HF_TOKEN_PATH or HF_HOME/token. HF_HUB_DISABLE_IMPLICIT_TOKEN
// disables it.
func TokenFromEnv(getenv func(string) string) string {
	if isSet(getenv("HF_HUB_DISABLE_IMPLICIT_TOKEN")) {
		return ""
	}
	for _, name := range []string{"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"} {
		if token := cleanToken(getenv(name)); token != "" {
			return token
		}
	}
	path := getenv("HF_TOKEN_PATH")
	if path != "" {
		path = expand(path, getenv)
	} else {
		home, err := homeDir(getenv)
		if err != nil {
			return ""
		}
		path = filepath.Join(home, "token")
	}
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > 4096 {
		return ""
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return cleanToken(string(data))
}

// cleanToken removes line breaks, which are invalid in a request header.
func cleanToken(s string) string {
	return strings.TrimSpace(strings.NewReplacer("\r", "", "\n", "").Replace(s))
}

// OfflineFromEnv returns the name of the variable that forbids requests to the hub,
// HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE, or "".
func OfflineFromEnv(getenv func(string) string) string {
	for _, name := range []string{"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"} {
		if value := getenv(name); value != "" {
			if isSet(value) {
				return name
			}
			return ""
		}
	}
	return ""
}

func isSet(value string) bool {
	return slices.Contains([]string{"1", "ON", "YES", "TRUE"}, strings.ToUpper(value))
}

// DefaultEndpoint is the address of the hub; HF_ENDPOINT overrides it.
const DefaultEndpoint = "https://huggingface.co"

// parseEndpoint parses the hub's address; name is the setting it comes from.
func parseEndpoint(name, address string) (*url.URL, error) {
	wrong := func(want string) error { return fmt.Errorf("%s is %q: expected %s", name, address, want) }
	u, err := url.Parse(address)
	if err != nil || !strings.Contains(address, "://") {
		return nil, wrong("an address with its scheme, such as https://" + strings.TrimSuffix(strings.TrimPrefix(address, "//"), "/"))
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, wrong("an address such as " + DefaultEndpoint)
	}
	u.Path, u.RawPath, u.RawQuery, u.Fragment = strings.TrimRight(u.Path, "/"), "", "", ""
	return u, nil
}
