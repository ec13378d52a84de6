# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Part of scripts/test-integrations: the module for Puppet, with the real `puppet apply` on the nodes.

# One run: its exit code (0 nothing, 2 changes, 4 failures) and a part of what it says must be these.
puppet_run() { # HOST CODE TEXT [VARIABLE=VALUE...] [OPTION...]
  local host=$1 wanted=$2 text=$3 answer code=0
  shift 3
  answer=$(scripts/lab exec "$host" env "$@" --modulepath=/tmp/puppet/modules --detailed-exitcodes --debug \
    /tmp/puppet/settings.pp 2>&1) || code=$?
  printf '%s\n' "$answer" >>"$work/puppet.out"
  [ "$code" = "$wanted" ] && grep -qF -e "$text" <<<"$answer" ||
    fault "puppet, $host: $code instead of $wanted, or not \"$text\": $(grep -vi debug <<<"$answer" | tail -n 3)"
}

# The task, with the parameters as JSON on its standard input, as Bolt runs it.
puppet_task() { # HOST CODE FILTER PARAMETERS
  local answer code=0
  answer=$(jq -c '. + {"_installdir": "/tmp/puppet/modules", "_task": "keyturn::propose"}' <<<"$4" |
    scripts/lab exec "$1" /tmp/puppet/modules/keyturn/tasks/propose.rb 2>&1) || code=$?
  printf '%s\n' "$answer" >>"$work/puppet.out"
  [ "$code" = "$2" ] && jq -e "$3" <<<"$answer" >/dev/null 2>&1 || fault "task, $1: $code, and not $3: $answer"
}

# The keys of LAB_SETTINGS are in force on all nodes before.
puppet_in_the_lab() {
  has puppet || {
    left_out "puppet, which is not installed"
    return
  }
  local key host
  key=$(sed -n 's/^MINIO_KMS_API_KEY="\(.*\)"$/\1/p' "$LAB_SETTINGS")
  mkdir -p "$work/puppet/modules"
  cp -r integrations/puppet "$work/puppet/modules/keyturn"
  cp scripts/test-integrations.d/puppet/settings.pp "$work/puppet/"
  (umask 077 && printf %s "$key" >"$work/puppet/key")
  for host in minio-1 minio-2 minio-3; do
    tar -C "$work" -cf - puppet | scripts/lab exec "$host" tar -C /tmp -xf -
  done

  puppet_run minio-1 0 "should be 'proposed' (noop)" puppet apply --noop
  puppet_run minio-1 2 'proposed on minio-1' puppet apply
  puppet_run minio-1 0 'Applied catalog' puppet apply
  puppet_run minio-2 2 'proposed on minio-2' puppet apply
  puppet_run minio-3 2 'confirmed on all nodes' FACTER_wait=60 puppet apply
  for host in minio-1 minio-2 minio-3; do puppet_run "$host" 0 'Applied catalog' puppet apply; done
  puppet_run minio-1 4 'is sealed since rollout' FACTER_sse_key=other puppet apply
  scripts/lab exec minio-2 systemctl stop keyturnd.service keyturnd.socket
  puppet_run minio-2 4 'is keyturnd running' puppet apply
  scripts/lab exec minio-2 systemctl start keyturnd
  puppet_run minio-2 0 'Applied catalog' puppet apply

  local settings='{"settings": {"MINIO_BROWSER": "on"}, "secrets": {"MINIO_KMS_API_KEY": "'$key'"}}'
  puppet_task minio-1 0 '.outcome == "inForce"' "$settings"
  puppet_task minio-1 0 '.changed == false' "$settings"
  puppet_task minio-1 1 '._error.details.exit_code == 6 and (._error.msg | contains("is sealed since"))' \
    '{"settings": {"MINIO_KMS_SSE_KEY": "other"}}'
  puppet_task minio-1 1 '._error.msg | contains("not one line")' \
    '{"settings": {"MINIO_BROWSER": "on\nMINIO_ROOT_USER=x"}}'
  puppet_task minio-1 0 '.outcome == "withdrawn"' '{"withdraw": true}'

  ! grep -nF -e "$key" "$work/puppet.out" >"$work/log" || fault "puppet prints a secret: $(head -n 1 "$work/log")"
  for host in minio-1 minio-2 minio-3; do
    scripts/lab exec "$host" sh -c 'journalctl -q -o cat; grep -r . /var/cache/puppet /var/lib/puppet' \
      >"$work/traces" 2>/dev/null || true
    grep -q Keyturn_settings "$work/traces" || fault "$host: puppet has left no report that could be searched"
    ! grep -anF -e "$key" "$work/traces" >"$work/log" || fault "$host: a secret was left: $(head -n 1 "$work/log")"
  done
}
