class Winnow < Formula
  desc "Ranks documents by their relevance to a query, on the CPU"
  homepage "https://github.com/winnow-rerank/winnow"
  version "@VERSION@"
  license "Apache-2.0"

  on_macos do
    on_arm do
      url "https://github.com/winnow-rerank/winnow/releases/download/v@VERSION@/winnow-@VERSION@-darwin-arm64.tar.gz"
      sha256 "@DARWIN_ARM64@"
    end
    on_intel do
      url "https://github.com/winnow-rerank/winnow/releases/download/v@VERSION@/winnow-@VERSION@-darwin-amd64.tar.gz"
      sha256 "@DARWIN_AMD64@"
    end
  end
  on_linux do
    on_arm do
      url "https://github.com/winnow-rerank/winnow/releases/download/v@VERSION@/winnow-@VERSION@-linux-arm64.tar.gz"
      sha256 "@LINUX_ARM64@"
    end
    on_intel do
      url "https://github.com/winnow-rerank/winnow/releases/download/v@VERSION@/winnow-@VERSION@-linux-amd64.tar.gz"
      sha256 "@LINUX_AMD64@"
    end
  end

  def install
    bin.install "winnow"
    man1.install "winnow.1"
    bash_completion.install "completions/winnow.bash" => "winnow"
    zsh_completion.install "completions/winnow.zsh" => "_winnow"
    fish_completion.install "completions/winnow.fish"
  end

  service do
    run [opt_bin/"winnow", "serve"]
    keep_alive true
  end

  test do
    assert_match "deep", shell_output("#{bin}/winnow rank --tsv -n 1 'What is deep learning?' 'red apples' 'deep neural networks'")
  end
end
