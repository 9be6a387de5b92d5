#!/usr/bin/env bash
# seacod's installer: tries it from a checkout, or installs it as a systemd service.
# Everything it does is a function below; `--dry-run` prints the steps instead.
set -euo pipefail
# What is installed is for everybody to read, whatever umask the operator has; what is secret is given
# its mode where it is written.
umask 022

readonly TORCH="torch==2.13.0"
# PyTorch's own index of builds without CUDA; SEACOD_TORCH_INDEX names a mirror.
readonly TORCH_CPU_INDEX="${SEACOD_TORCH_INDEX:-https://download.pytorch.org/whl/cpu}"
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
readonly HERE
readonly PREFIX=/opt/seacod
readonly CONFIG=/etc/seacod/seacod.yaml
readonly STATE=/var/lib/seacod
readonly MANIFEST="$PREFIX/installed-files"
# Of a release before this one.
readonly OLD_SOCKET=/etc/systemd/system/seacod.socket

MODE=system
DRY_RUN=no
MODEL=
TARGET=
RUN_OPTIONS=()
CHANGED=no
UV=
STARTED=$SECONDS

usage() {
  cat <<'TEXT'
Usage:
  ./install.sh --try [--port N] [--metrics-port N] [--host H] [--model M]
      make .venv here (once) and run the service in this terminal
  sudo ./install.sh [--model M] [--dry-run]
      install or upgrade the systemd service
  sudo ./install.sh --uninstall | --purge [--dry-run]
      remove it; --uninstall keeps configuration, secrets and results, and names them
Environment:
  SEACOD_TORCH=cpu|cuda     which PyTorch to install (default: cuda if there is an NVIDIA GPU)
  SEACOD_EXTRAS=NAME,NAME   also install ray, postgresql, s3, itn, pinyin, apprise, mcp or otel, beside what
                            was asked for before; SEACOD_EXTRAS= (nothing) forgets that (docs/install.md)
  SEACOD_TORCH_INDEX=URL    where PyTorch's CPU builds are, if not at PyTorch's own address
TEXT
}

step() { printf '\n==> %s  [%d s]\n' "$1" "$((SECONDS - STARTED))"; }
note() { printf '    %s\n' "$1"; }
die() {
  printf 'install.sh: %s\n' "$1" >&2
  exit 1
}

# Run a command, or print it under --dry-run.
run() {
  if [ "$DRY_RUN" = yes ]; then
    printf '    would run: %s\n' "$*"
  else
    "$@"
  fi
}

parse() {
  while [ $# -gt 0 ]; do
    case "$1" in
      --try) MODE=try ;;
      --prepare) MODE=prepare ;; # tests/run: make .venv and stop
      --build-venv) # tools/make_deb: an environment with everything, in that directory
        [ $# -ge 2 ] || die "$1 needs a directory"
        MODE=build
        TARGET="$2"
        shift
        ;;
      --uninstall) MODE=uninstall ;;
      --purge) MODE=purge ;;
      --dry-run) DRY_RUN=yes ;;
      --port | --metrics-port | --host | --model)
        [ $# -ge 2 ] || die "$1 needs a value"
        [ "$1" = --model ] && MODEL="$2"
        RUN_OPTIONS+=("$1" "$2")
        shift
        ;;
      -h | --help)
        usage
        exit 0
        ;;
      *) die "unknown option $1 (see ./install.sh --help)" ;;
    esac
    shift
  done
}

# -- Python ---------------------------------------------------------------------------------------

# The first Python between 3.10 and 3.13, python3 before the others. The service runs as a user of
# its own and sees no home directory, so for it one that lies in a home directory (pyenv) is none.
find_python() {
  local name path
  for name in python3 python3.11 python3.12 python3.13 python3.10; do
    while IFS= read -r path; do
      if "$path" - "$MODE" 2>/dev/null <<'PYTHON'; then
import sys
fits = (3, 10) <= sys.version_info[:2] <= (3, 13)
hidden = sys.base_prefix.startswith(("/root/", "/home/", "/run/user/"))
sys.exit(not fits or (sys.argv[1] in ("system", "build") and hidden))
PYTHON
        echo "$path"
        return
      fi
    done < <(type -ap "$name")
  done
  return 1
}

# On a machine without any: Debian's own, where we may.
ensure_python() {
  find_python >/dev/null && return
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    step "Installing the Debian packages python3 and python3-venv"
    debian_install python3 python3-venv
    [ "$DRY_RUN" = yes ] || find_python >/dev/null && return
  fi
  die "no Python from 3.10 to 3.13 was found (outside of home directories, for the service); on \
Debian, as root: apt-get install python3 python3-venv"
}

debian_install() {
  run env DEBIAN_FRONTEND=noninteractive apt-get install -y -q "$@" ||
    { run apt-get update -q && run env DEBIAN_FRONTEND=noninteractive apt-get install -y -q "$@"; }
}

# Debian keeps ensurepip in a package of its own.
ensure_venv_module() {
  local python="$1" version package
  "$python" -c 'import ensurepip, venv' 2>/dev/null && return
  version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
  package="python$version-venv"
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    step "Installing the Debian package $package"
    debian_install "$package"
  else
    die "Python's venv module is missing; run as root: apt-get install $package"
  fi
}

has_nvidia_gpu() {
  [ -e /proc/driver/nvidia/version ] || [ -e /dev/nvidia0 ] ||
    { command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; }
}

torch_kind() {
  case "${SEACOD_TORCH:-}" in
    cpu | cuda) echo "$SEACOD_TORCH" ;;
    "") if has_nvidia_gpu; then echo cuda; else echo cpu; fi ;;
    *) die "SEACOD_TORCH is '$SEACOD_TORCH'; it must be cpu or cuda" ;;
  esac
}

# pip cannot go through a SOCKS proxy, and would end with an error of its library: it goes without.
SOCKS=()
find_socks() {
  local name
  SOCKS=()
  for name in all_proxy ALL_PROXY https_proxy HTTPS_PROXY http_proxy HTTP_PROXY; do
    case "${!name:-}" in
      socks*)
        SOCKS+=(-u "$name")
        note "$name names a SOCKS proxy, which pip cannot use: packages are fetched without it"
        note "(name an HTTP proxy in https_proxy where nothing is reached without one)"
        ;;
    esac
  done
}

without_socks() { env "${SOCKS[@]}" "$@"; }

# Whether what pip would install by itself is a build without CUDA. Reads metadata only.
default_torch_is_cpu() {
  without_socks "$1/bin/python" -m pip install -q --dry-run --no-deps --ignore-installed --report - "$TORCH" 2>/dev/null |
    "$1/bin/python" -c '
import json, sys
items = json.load(sys.stdin)["install"]
meta = items[0]["metadata"]
needs = " ".join(meta.get("requires_dist", []))
sys.exit(not ("+cpu" in meta["version"] or "nvidia" not in needs and "cuda" not in needs))'
}

# What pip is configured to (mirrors, certificates, time-outs), as `NAME=VALUE` for uv, which does not
# read that; variables of uv's own that are set already stay.
uv_settings() {
  "$1/bin/python" -m pip config list | "$1/bin/python" -c '
import ast, os, sys
NAMES = {
    "index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "no-index": "UV_NO_INDEX",
    "find-links": "UV_FIND_LINKS", "constraint": "UV_CONSTRAINT", "cert": "SSL_CERT_FILE",
    "trusted-host": "UV_INSECURE_HOST", "proxy": "ALL_PROXY", "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}
for line in sys.stdin:
    key, _, value = line.rstrip().partition("=")
    name = NAMES.get(key.rpartition(".")[2])
    if name and name not in os.environ:
        words = ast.literal_eval(value).split()
        print(name, ("," if name == "UV_FIND_LINKS" else " ").join(words), sep="=")'
}

# install_packages VENV [pip arguments]: with uv, which takes a quarter of the time; with pip where
# uv is not available or does not get through.
install_packages() {
  local venv="$1" settings
  shift
  if [ -z "$UV" ]; then
    UV="$(mktemp -d)"
    trap 'rm -rf "$UV"' EXIT
    without_socks "$venv/bin/python" -m pip install -q --target "$UV" "uv>=0.8" || true
  fi
  if [ -x "$UV/bin/uv" ]; then
    mapfile -t settings < <(uv_settings "$venv")
    [ -n "${PIP_NO_COMPILE:-}" ] || settings+=(UV_COMPILE_BYTECODE=1)
    # As pip does it: the best version of all indexes, not of the first that has any.
    env "${settings[@]}" UV_INDEX_STRATEGY=unsafe-best-match \
      "$UV/bin/uv" pip install --python "$venv/bin/python" "$@" && return
  fi
  note "uv, which would be quicker, cannot be used here: pip installs"
  without_socks "$venv/bin/python" -m pip install "$@"
}

install_torch() {
  local venv="$1" kind="$2"
  if [ "$kind" = cuda ]; then
    step "Installing PyTorch with CUDA (an NVIDIA GPU was found; several gigabytes)"
    install_packages "$venv" "$TORCH" -c "$HERE/constraints.txt"
  elif default_torch_is_cpu "$venv"; then
    step "Installing PyTorch for the CPU"
    install_packages "$venv" "$TORCH" -c "$HERE/constraints.txt"
  else
    step "Installing PyTorch for the CPU from $TORCH_CPU_INDEX"
    install_packages "$venv" "$TORCH" --index-url "$TORCH_CPU_INDEX" ||
      die "PyTorch's CPU build cannot be fetched; set SEACOD_TORCH_INDEX to a mirror of it"
  fi
}

# make_venv DIRECTORY [pip arguments that name the package]
make_venv() {
  local venv="$1" python kind
  shift
  ensure_python
  python="$(find_python)"
  ensure_venv_module "$python"
  kind="$(torch_kind)"
  step "Making $venv with $("$python" --version)"
  find_socks
  [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
  without_socks "$venv/bin/python" -m pip install -q --upgrade pip -c "$HERE/constraints.txt"
  install_torch "$venv" "$kind"
  step "Installing seacod and its libraries (one to five minutes)"
  install_packages "$venv" -c "$HERE/constraints.txt" "$@"
  rm -rf "$UV"
  UV=
}

# copy_source: what is installed, in a directory of its own, whose name is printed: a checkout owned
# by somebody else is left as it is.
copy_source() {
  local source
  source="$(mktemp -d)"
  cp -r "$HERE/seacod" "$HERE/setup.cfg" "$HERE/pyproject.toml" "$HERE/MANIFEST.in" \
    "$HERE/README.md" "$HERE/LICENSE" "$HERE/constraints.txt" "$source/"
  echo "$source"
}

# build_venv DIRECTORY: one that does not need this checkout.
build_venv() {
  local source
  source="$(copy_source)"
  make_venv "$1" "$source${SEACOD_EXTRAS:+[$SEACOD_EXTRAS]}"
  rm -rf "$source"
}

# renew_venv OLD NEW: as build_venv, where only our own code differs. The libraries are hard links:
# pip replaces files, it never writes into them.
renew_venv() {
  local source file
  source="$(copy_source)"
  find_socks
  cp -al "$1" "$2"
  rm -f "$2/.complete"
  grep -rlIF "$1" "$2/bin" "$2/pyvenv.cfg" | while IFS= read -r file; do
    sed -i "s|$1|$2|g" "$file" # writes a file of its own
  done
  without_socks "$2/bin/python" -m pip install -q --no-deps --force-reinstall "$source"
  rm -rf "$source"
}

# What an installed .venv depends on; it is made anew only when this changes.
fingerprint() {
  { cat "$HERE/setup.cfg" "$HERE/constraints.txt"; find_python || true; torch_kind; echo "$HERE"; } | sha256sum
}

# -- trying ---------------------------------------------------------------------------------------

# prepare_venv EXTRAS: EXTRAS is empty or [test]; what has the tests' libraries serves for both.
prepare_venv() {
  local venv="$HERE/.venv" stamp="$HERE/.venv/.seacod-installed" wanted
  wanted="$(fingerprint)"
  case "$(cat "$stamp" 2>/dev/null)" in
    "$wanted$1" | "${wanted}[test]") return ;;
  esac
  if [ "$DRY_RUN" = yes ]; then
    note "would make $venv and install seacod into it"
    return
  fi
  rm -f "$stamp"
  # Python compiles what is used when it is first used: a small part of what is installed.
  PIP_NO_COMPILE=1 make_venv "$venv" -e "$HERE$1"
  # Last: an installation that was interrupted is taken up again.
  echo "$wanted$1" >"$stamp"
}

# A port that was asked for and is taken is told before anything is installed for minutes.
ports_are_free() {
  local at port
  for ((at = 0; at + 1 < ${#RUN_OPTIONS[@]}; at += 2)); do
    port="${RUN_OPTIONS[at + 1]}"
    case "${RUN_OPTIONS[at]}" in
      --port | --metrics-port) ;;
      *) continue ;;
    esac
    [[ "$port" =~ ^[0-9]{1,5}$ ]] || die "${RUN_OPTIONS[at]} $port: a port is a number"
    if [ "$port" != 0 ] && (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      die "${RUN_OPTIONS[at]} $port is taken by another program (ss -ltnp 'sport = :$port' shows it); \
choose another, or none: a free one is found"
    fi
  done
}

try_it() {
  ports_are_free
  prepare_venv ""
  if [ "$DRY_RUN" = yes ]; then
    note "would run: .venv/bin/seacod run --try ${RUN_OPTIONS[*]}"
    return
  fi
  step "Starting; the first answer takes about half a minute (Ctrl-C stops everything)"
  exec "$HERE/.venv/bin/seacod" run --try "${RUN_OPTIONS[@]}"
}

# -- the service ----------------------------------------------------------------------------------

require_systemd() {
  [ "$(id -u)" -eq 0 ] || die "installing the service needs root: sudo ./install.sh (./install.sh --try does not)"
  [ -d /run/systemd/system ] || die "systemd does not run this machine; ./install.sh --try works without it"
}

# What the Debian package has put there is dpkg's: our units would hide the package's, and --uninstall
# would remove its files.
refuse_the_package() {
  if [ -d "$PREFIX/venv" ] && [ ! -L "$PREFIX/venv" ]; then
    die "the Debian package has installed seacod here already; use it (apt-get), or remove it first: \
apt-get remove seacod (that keeps /etc/seacod and /var/lib/seacod)"
  fi
}

# put SOURCE TARGET MODE: install a file if it is not there with this content already.
put() {
  local source="$1" target="$2" mode="$3"
  remember "$target"
  cmp -s "$source" "$target" && return
  note "$target"
  run install -D -m "$mode" "$source" "$target"
  CHANGED=yes
}

remember() {
  [ "$DRY_RUN" = yes ] && return
  mkdir -p "$PREFIX"
  grep -qxF "$1" "$MANIFEST" 2>/dev/null || echo "$1" >>"$MANIFEST"
}

# What is installed besides: what is asked for now, and what was before; SEACOD_EXTRAS= set to
# nothing forgets that.
extras() {
  local before
  before="$(cat "$PREFIX/extras" 2>/dev/null || true)"
  [ -n "${SEACOD_EXTRAS-unset}" ] || before=
  printf '%s,%s' "$before" "${SEACOD_EXTRAS:-}" | tr ',' '\n' | tr -d ' ' | sed '/^$/d' | sort -u |
    paste -sd, -
}

# What a release is made of besides our own code.
libraries() {
  { cat "$HERE/setup.cfg" "$HERE/constraints.txt"; find_python; torch_kind; extras; } | sha256sum
}

# A name for exactly this code, so that an upgrade is a new directory beside the old one.
release_name() {
  local version digest
  version="$(sed -n 's/^__version__ = "\(.*\)"/\1/p' "$HERE/seacod/__init__.py")"
  digest="$(cd "$HERE" && { find seacod -type f ! -path '*/__pycache__/*' -print0 | sort -z |
    xargs -0 sha256sum; cat setup.cfg constraints.txt; torch_kind; extras; } | sha256sum | cut -c1-8)"
  echo "$version-$digest"
}

install_release() {
  local release target present
  release="$(release_name)"
  present="$(readlink -f "$PREFIX/venv" || true)"
  target="$PREFIX/releases/$release"
  if [ ! -e "$target/.complete" ]; then
    step "Installing release $release into $target"
    if [ "$DRY_RUN" = yes ]; then
      note "would make $target with Python, PyTorch ($(torch_kind)) and seacod"
    else
      rm -rf "$target"
      mkdir -p "$PREFIX/releases"
      SEACOD_EXTRAS="$(extras)"
      if [ -e "$present/.complete" ] && [ "$(cat "$present/.libraries" 2>/dev/null)" = "$(libraries)" ]; then
        note "the libraries are those of $(basename "$present"): only seacod itself is installed"
        renew_venv "$present" "$target"
      else
        build_venv "$target"
        libraries >"$target/.libraries"
      fi
      echo "$SEACOD_EXTRAS" >"$PREFIX/extras"
      # The one that is left is the one to go back to, though others may be younger: after a rollback.
      [ ! -e "$present/.complete" ] || touch "$present"
      touch "$target/.complete"
    fi
    CHANGED=yes
  fi
  if [ "$(readlink "$PREFIX/venv" 2>/dev/null)" != "releases/$release" ]; then
    run ln -sfn "releases/$release" "$PREFIX/venv.new"
    run mv -T "$PREFIX/venv.new" "$PREFIX/venv"
    CHANGED=yes
  fi
  if [ "$(readlink /usr/local/bin/seacod)" != "$PREFIX/venv/bin/seacod" ]; then
    run ln -sfn "$PREFIX/venv/bin/seacod" /usr/local/bin/seacod
  fi
  remember /usr/local/bin/seacod
}

# Keep the release that was used before this one, to go back to; remove older ones.
remove_old_releases() {
  local directory
  [ -d "$PREFIX/releases" ] || return 0
  find "$PREFIX/releases" -mindepth 1 -maxdepth 1 -printf '%T@ %p\n' | sort -rn | tail -n +3 |
    cut -d' ' -f2- | while IFS= read -r directory; do
    if [ "$(readlink -f "$PREFIX/venv")" != "$directory" ]; then
      run rm -rf "$directory"
    fi
  done
}

# choose_model: the real one if it can be had, said plainly when it cannot.
choose_model() {
  if [ -n "$MODEL" ]; then
    echo "$MODEL"
  elif run_as_seacod model fetch paraformer-zh >&2; then
    echo paraformer-zh
  elif [ $? -eq 78 ]; then
    # Not the network's fault: the command has said which setting or variable it is.
    die "the model was not fetched: see above"
  else
    note "The real model could not be fetched, so the built-in one is used: good for trying and" >&2
    note "testing, not for real speech. Later: sudo -u seacod seacod model fetch paraformer-zh," >&2
    note "then set asr.model in $CONFIG and systemctl restart seacod." >&2
    echo builtin
  fi
}

run_as_seacod() {
  runuser -u seacod -- env HOME="$STATE" SEACOD_PATHS_STATE_DIRECTORY="$STATE" \
    NUMBA_CACHE_DIR="$STATE/.cache" "$PREFIX/venv/bin/seacod" "$@"
}

install_configuration() {
  local shipped="$PREFIX/seacod.yaml.shipped" model
  if [ ! -e "$CONFIG" ]; then
    step "Configuration"
    if [ "$DRY_RUN" = yes ]; then
      note "would write $CONFIG, with paraformer-zh if it can be fetched, else the built-in model"
    else
      model="$(choose_model)"
      install -d -m 0755 /etc/seacod
      # The state directory by name, so that commands outside the unit look in the same place.
      sed -e "s|^  #model: builtin\$|  model: $model|" \
        -e "s|^  #state_directory:\$|  state_directory: $STATE|" \
        "$HERE/etc/seacod.yaml" >"$CONFIG.partial"
      chown root:seacod "$CONFIG.partial"
      chmod 0640 "$CONFIG.partial"
      mv "$CONFIG.partial" "$CONFIG"
      note "$CONFIG: asr.model is $model"
    fi
    CHANGED=yes
  elif [ -e "$shipped" ] && ! cmp -s "$HERE/etc/seacod.yaml" "$shipped"; then
    note "$CONFIG is kept; this version's is $CONFIG.new"
    run install -m 0644 "$HERE/etc/seacod.yaml" "$CONFIG.new"
  fi
  put "$HERE/etc/seacod.yaml" "$shipped" 0644
}

# The unit's limits of memory, reckoned from the models that are here. 'systemctl edit seacod' comes
# after it and wins.
install_memory_limits() {
  local file
  put "$HERE/systemd/memory-limits" "$PREFIX/memory-limits" 0755
  file="$(mktemp)"
  "$HERE/systemd/memory-limits" >"$file"
  put "$file" /etc/systemd/system/seacod.service.d/50-memory.conf 0644
  rm -f "$file"
}

install_service() {
  require_systemd
  refuse_the_package
  step "User, directories, units"
  put "$HERE/systemd/seacod.sysusers" /etc/sysusers.d/seacod.conf 0644
  put "$HERE/systemd/seacod.tmpfiles" /etc/tmpfiles.d/seacod.conf 0644
  run systemd-sysusers seacod.conf
  run systemd-tmpfiles --create seacod.conf
  local group
  for group in video render; do
    if getent group "$group" >/dev/null && ! id -nG seacod 2>/dev/null | grep -qw "$group"; then
      run usermod -aG "$group" seacod
    fi
  done
  install_release
  install_configuration
  put "$HERE/README.md" "$PREFIX/README.md" 0644
  put "$HERE/docs/man/seacod.1" /usr/local/share/man/man1/seacod.1 0644
  put "$HERE/etc/completion/seacod.bash" /usr/local/share/bash-completion/completions/seacod 0644
  put "$HERE/etc/completion/_seacod" /usr/local/share/zsh/site-functions/_seacod 0644
  put "$HERE/logrotate/seacod" /etc/logrotate.d/seacod 0644
  put "$HERE/systemd/seacod.service" /etc/systemd/system/seacod.service 0644
  install_memory_limits
  start_service
  remove_old_releases
}

# Whether a release before this one has left its socket unit.
has_old_socket() { grep -qxF "$OLD_SOCKET" "$MANIFEST" 2>/dev/null; }

# The service has taken its socket over, so that nobody is refused. A unit that the operator has
# changed is the operator's own from now on.
remove_old_socket() {
  has_old_socket || return 0
  if ls "$OLD_SOCKET".d/*.conf >/dev/null 2>&1; then
    note "$OLD_SOCKET was changed here and stays; docs/install.md, Addresses, says what"
    note "server.listen does in its place"
  else
    note "$OLD_SOCKET is not needed any more: server.listen (host, port) in $CONFIG decides"
    run systemctl disable -q --now seacod.socket
    run rm -f "$OLD_SOCKET"
    run systemctl daemon-reload
  fi
  run sed -i "\\|^$OLD_SOCKET\$|d" "$MANIFEST"
}

start_service() {
  has_old_socket && CHANGED=yes
  if [ "$CHANGED" = no ] && systemctl -q is-active seacod.service; then
    step "Nothing changed; seacod is running"
    tell_addresses
    return
  fi
  step "Starting; systemctl returns when the model answers"
  run systemctl daemon-reload
  run systemctl enable -q seacod.service
  # A restart of what runs, a start of what does not; systemd keeps the sockets open in between.
  if ! run systemctl restart seacod.service; then
    journalctl -u seacod -p warning -n 20 --no-pager -o cat >&2 || true
    die "seacod did not start; the lines above say why (more: journalctl -u seacod)"
  fi
  remove_old_socket
  tell_addresses
}

tell_addresses() {
  [ "$DRY_RUN" = yes ] && return
  local address listening
  address="$(hostname -I 2>/dev/null | cut -d' ' -f1)"
  listening="$("$PREFIX/venv/bin/seacod" status --json 2>/dev/null | "$PREFIX/venv/bin/python" -c '
import json, sys
served = [one["address"] for one in json.load(sys.stdin)["listening"] if one["serves"] == "http"]
print(", ".join(served))' || true)"
  note "page and API   ${listening//0.0.0.0/http://${address:-127.0.0.1}}"
  note "metrics        http://127.0.0.1:8000/metrics"
  note "state          systemctl status seacod; seacod status; journalctl -u seacod"
}

uninstall() {
  require_systemd
  refuse_the_package
  step "Stopping and removing seacod"
  # A socket unit, of the operator's own or of a release before this one, would start it again.
  run systemctl disable -q --now seacod.socket 2>/dev/null || true
  run systemctl disable -q --now seacod.service 2>/dev/null || true
  local file
  if [ -e "$MANIFEST" ]; then
    while IFS= read -r file; do
      run rm -f "$file"
    done <"$MANIFEST"
    # Not where the operator has a file of his own in it.
    run rmdir --ignore-fail-on-non-empty /etc/systemd/system/seacod.service.d 2>/dev/null || true
  fi
  run rm -rf "$PREFIX"
  run systemctl daemon-reload
  run systemctl reset-failed seacod.service 2>/dev/null || true
  if [ "$MODE" = purge ]; then
    # The operator's own, too: secrets, what `systemctl edit` has written.
    run rm -rf /etc/seacod "$STATE" /var/log/seacod /var/cache/seacod /run/seacod \
      /etc/systemd/system/seacod.service.d /etc/systemd/system/seacod.socket.d \
      /etc/systemd/system/seacod.socket
    run rm -f /etc/credstore/seacod.*
    run systemctl daemon-reload
    if getent passwd seacod >/dev/null; then
      run userdel seacod
    fi
    step "Removed, with configuration, secrets and results"
  else
    step "Removed; kept, and removed by --purge:"
    for file in /etc/seacod "$STATE" /var/log/seacod /var/cache/seacod /etc/credstore/seacod.* \
      /etc/systemd/system/seacod.service.d /etc/systemd/system/seacod.socket.d \
      /etc/systemd/system/seacod.socket; do
      [ ! -e "$file" ] || note "$file"
    done
    if getent passwd seacod >/dev/null; then
      note "the user seacod"
    fi
  fi
}

main() {
  parse "$@"
  case "$MODE" in
    try) try_it ;;
    prepare) prepare_venv "[test]" ;;
    build) build_venv "$TARGET" ;;
    uninstall | purge) uninstall ;;
    system) install_service ;;
  esac
}

main "$@"
