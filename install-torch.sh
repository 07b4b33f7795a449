#!/bin/sh
# Install the CPU build of PyTorch, so that a machine without a GPU gets no CUDA libraries (2.6 GB).
#   install-torch.sh PYTHON [INDEX]
# On a machine with an NVIDIA GPU, and outside Linux, the ordinary build is the right one.
set -u
python=$1
index=${2:-}
version=$(sed -n 's/^torch==//p' constraints.txt)

if "$python" -c 'import torch' 2>/dev/null; then exit 0; fi

install() { "$python" -m pip install --quiet --disable-pip-version-check -c constraints.txt "$@"; }

if [ "$(uname -s)" != Linux ] || command -v nvidia-smi >/dev/null 2>&1; then
  install "torch==$version"
  exit
fi
# First from wherever pip is configured to look: a mirror or a folder may hold the CPU build.
if install "torch==$version+cpu" 2>/dev/null; then exit 0; fi
# Then from the index named for it. Short time-outs: a closed network must not hang.
if [ -n "$index" ]; then
  if install --timeout 5 --retries 0 --extra-index-url "$index" "torch==$version+cpu" 2>/dev/null; then exit 0; fi
fi
cat >&2 <<EOF
! The CPU build of PyTorch $version was found neither in pip's sources nor at '${index:-no index}'.
! Installing the ordinary build, which brings CUDA libraries. To avoid that, stop (Ctrl-C) and run
!   make TORCH_INDEX=<an index or mirror that holds torch $version+cpu> …
! or set PIP_FIND_LINKS to a folder with the file.
EOF
install "torch==$version"
