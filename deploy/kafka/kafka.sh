#!/usr/bin/env bash
# Apache Kafka for tests, without Docker: the broker's jars come from Maven Central, and one to nine nodes (KRaft, each
# broker and controller) run on the loopback interface.
#
#   kafka.sh with [N] -- COMMAND...  start N nodes (default 1) of their own, run COMMAND, stop them; its status is returned
#   kafka.sh start [N]               start N nodes and leave them running; prints their addresses
#   kafka.sh status                  print the addresses and what runs, as shell variables
#   kafka.sh kill ID                 kill node ID (1 to N) at once, as a crash would
#   kafka.sh node ID                 start node ID again, if it does not run, and wait until it is ready
#   kafka.sh stop                    stop the nodes; their data stays
#   kafka.sh wipe                    stop the nodes and delete their data
#   kafka.sh fetch                   only fetch the jars (about 45 MB)
#
# COMMAND and those who read `status` get
#   FRESHET_TEST_BROKERS             bootstrap servers, host:port,host:port
#   FRESHET_KAFKA_CLUSTER            name of the cluster, so that `kafka.sh kill 2` inside COMMAND means this one
# and with FRESHET_KAFKA_SASL=1, which adds a listener that wants PLAIN or SCRAM-SHA-512,
#   FRESHET_TEST_SASL_BROKERS, FRESHET_TEST_SASL_USERNAME, FRESHET_TEST_SASL_PASSWORD (made anew for each cluster)
# and with FRESHET_KAFKA_PROXIED=1, which adds a listener that the nodes advertise at another address than it has, so that
# a test that listens there stands between them and their clients and may cut their connections,
#   FRESHET_TEST_PROXIES             the advertised addresses, in the order of the nodes: where the proxies listen
#   FRESHET_TEST_PROXIED_BROKERS     where each of them connects to
#
# Settings, by variables:
#   FRESHET_KAFKA_HOME     where jars and data are kept (default ${XDG_CACHE_HOME:-~/.cache}/freshet/kafka)
#   FRESHET_KAFKA_VERSION  the release (default 4.3.1)
#   FRESHET_KAFKA_CLUSTER  name of the cluster (default "default"; `with` makes one up)
#   FRESHET_KAFKA_BASE     first port; node I takes BASE+5*(I-1) and the four after it (default: free ports)
#   FRESHET_KAFKA_HEAP     of each node (default 512m)
#   FRESHET_KAFKA_LOG      log level of the nodes (default WARN)
#
# Status: 0, or COMMAND's; 1 a node failed; 2 wrong usage; 3 a port is taken; 4 Kafka cannot be had on this machine,
# because Java or Maven or the network is missing: then the last line on stderr says what.
set -euo pipefail

version=${FRESHET_KAFKA_VERSION:-4.3.1}
home=${FRESHET_KAFKA_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/freshet/kafka}
heap=${FRESHET_KAFKA_HEAP:-512m}
cluster=${FRESHET_KAFKA_CLUSTER:-default}
lib=$home/lib-$version

fail() { # STATUS MESSAGE
  echo "kafka.sh: $2" >&2
  exit "$1"
}

usage() {
  sed -n '5,12p' "$0" | sed 's/^# \{0,1\}//' >&2
  exit 2
}

number() { # WHAT VALUE: a number of nodes or of a node
  [[ $2 =~ ^[1-9]$ ]] || fail 2 "$1: expected a number from 1 to 9, found \"$2\""
}

# --- what is needed ------------------------------------------------------------------------------------------------

java_major() { # the first number of its version, 0 when there is none
  local text
  text=$(java -version 2>&1) || {
    echo 0
    return
  }
  sed -n 's/.*version "\([0-9][0-9]*\).*/\1/p' <<<"$text" | head -n 1
}

need_java() {
  local major
  major=$(java_major)
  [ "${major:-0}" -ge 17 ] && return
  cat >&2 <<'HINT'
Kafka needs Java 17 or later:
  Debian, Ubuntu  sudo apt-get install openjdk-17-jre-headless
  Fedora, RHEL    sudo dnf install java-21-openjdk-headless
  macOS           brew install openjdk
HINT
  if [ "${major:-0}" -gt 0 ]; then
    fail 4 "Java $major is too old, Kafka needs Java 17 or later"
  fi
  fail 4 "Java 17 or later is not installed"
}

need_maven() {
  command -v mvn >/dev/null && return
  cat >&2 <<'HINT'
Maven fetches Kafka's jars:
  Debian, Ubuntu  sudo apt-get install maven
  Fedora, RHEL    sudo dnf install maven
  macOS           brew install maven
HINT
  fail 4 "Maven is not installed"
}

fetch() {
  need_java
  [ -e "$lib/complete" ] && return
  need_maven
  local work
  work=$(mktemp -d)
  cat >"$work/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>freshet</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.4</version>
    </dependency>
  </dependencies>
</project>
POM
  echo "fetching the jars of Kafka $version into $lib" >&2
  if ! mvn -B -q -f "$work/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
    -DoutputDirectory="$work/lib" >"$work/log" 2>&1; then
    tail -n 15 "$work/log" >&2
    rm -rf "$work"
    fail 4 "Maven could not fetch the jars of Kafka $version"
  fi
  mkdir -p "$lib"
  mv "$work"/lib/*.jar "$lib/"
  touch "$lib/complete"
  rm -rf "$work"
}

# --- a cluster -----------------------------------------------------------------------------------------------------
# A folder holds: nodes (their number), base (the first port), secret (with SASL), proxied (if so), N.properties, N.pid,
# N.log, data/N.

place() { dir=$home/clusters/$cluster; }

client_port() { echo $((base + 5 * ($1 - 1))); }
controller_port() { echo $(($(client_port "$1") + 1)); }
sasl_port() { echo $(($(client_port "$1") + 2)); }
proxied_port() { echo $(($(client_port "$1") + 3)); }
proxy_port() { echo $(($(client_port "$1") + 4)); } # no node listens there

busy() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

ports_free() { # NODE...: prints the first port that is taken
  local i p
  for i in "$@"; do
    for p in "$(client_port "$i")" "$(controller_port "$i")" "$(sasl_port "$i")" "$(proxied_port "$i")"; do
      if busy "$p"; then
        echo "$p"
        return 1
      fi
    done
  done
}

choose_ports() { # N
  local try taken
  if [ -n "${FRESHET_KAFKA_BASE:-}" ]; then
    base=$FRESHET_KAFKA_BASE
    taken=$(ports_free $(seq 1 "$1")) || fail 3 "port $taken is taken by another process; set FRESHET_KAFKA_BASE"
    return
  fi
  if [ -e "$dir/base" ]; then
    base=$(cat "$dir/base") # clients of before find the nodes where they were
    ports_free $(seq 1 "$1") >/dev/null && return
  fi
  for try in $(seq 1 50); do
    base=$((21000 + (RANDOM * 7 + try) % 11000))
    ports_free $(seq 1 "$1") >/dev/null && return
  done
  fail 3 "found no free ports between 21000 and 32000; set FRESHET_KAFKA_BASE"
}

properties() { # ID N
  local i=$1 n=$2 k voters='' replicas=$(($2 > 3 ? 3 : $2)) listeners advertised
  for ((k = 1; k <= n; k++)); do voters+="${voters:+,}$k@127.0.0.1:$(controller_port "$k")"; done
  listeners="PLAINTEXT://127.0.0.1:$(client_port "$i")"
  [ -e "$dir/secret" ] && listeners+=",SASL_PLAINTEXT://127.0.0.1:$(sasl_port "$i")"
  advertised=$listeners
  if [ -e "$dir/proxied" ]; then
    listeners+=",PROXIED://127.0.0.1:$(proxied_port "$i")"
    advertised+=",PROXIED://127.0.0.1:$(proxy_port "$i")"
  fi
  cat <<P
process.roles=broker,controller
node.id=$i
controller.quorum.voters=$voters
controller.listener.names=CONTROLLER
listeners=$listeners,CONTROLLER://127.0.0.1:$(controller_port "$i")
advertised.listeners=$advertised
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs=$dir/data/$i
num.partitions=4
default.replication.factor=$replicas
min.insync.replicas=$((replicas > 1 ? 2 : 1))
offsets.topic.replication.factor=$replicas
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=$replicas
transaction.state.log.min.isr=$((replicas > 1 ? 2 : 1))
transaction.state.log.num.partitions=8
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
share.coordinator.state.topic.replication.factor=$replicas
share.coordinator.state.topic.min.isr=$((replicas > 1 ? 2 : 1))
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
message.max.bytes=34603008
replica.fetch.max.bytes=34603008
log.cleaner.dedupe.buffer.size=16777216
log.cleaner.backoff.ms=1000
log.segment.delete.delay.ms=1000
num.network.threads=2
num.io.threads=4
broker.session.timeout.ms=6000
broker.heartbeat.interval.ms=1000
P
  if [ -e "$dir/secret" ]; then
    cat <<P
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_freshet="$(cat "$dir/secret")";
listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
P
  fi
}

logging() {
  cat >"$dir/log4j2.yaml" <<L
Configuration:
  status: error
  Appenders: { Console: { name: C, target: SYSTEM_OUT, PatternLayout: { pattern: "%d{HH:mm:ss,SSS} %p %c{1} %m%n" } } }
  Loggers: { Root: { level: "${FRESHET_KAFKA_LOG:-WARN}", AppenderRef: [ { ref: C } ] } }
L
}

format() { # ID
  local scram=()
  [ -e "$dir/data/$1/meta.properties" ] && return
  [ -e "$dir/secret" ] && scram=(--add-scram "SCRAM-SHA-512=[name=freshet,password=$(cat "$dir/secret")]")
  java -Xmx256m -XX:TieredStopAtLevel=1 -Dlog4j2.configurationFile="$dir/log4j2.yaml" -cp "$lib/*" \
    kafka.tools.StorageTool format -t ZnJlc2hldC10ZXN0LTAwMQ -c "$dir/$1.properties" "${scram[@]+"${scram[@]}"}" \
    >"$dir/$1.log" 2>&1 || {
    cat "$dir/$1.log" >&2
    fail 1 "node $1 could not be formatted"
  }
}

# A pid file may outlive its process, and the number may be another's by now; only a node of ours has our properties.
pid_of() { # ID: prints the pid of a node that runs
  local pid
  [ -e "$dir/$1.pid" ] || return 1
  pid=$(cat "$dir/$1.pid")
  case $(ps -p "$pid" -o args= 2>/dev/null) in
    *"$dir/$1.properties"*) echo "$pid" ;;
    *) return 1 ;;
  esac
}

launch() { # ID
  # Without INT and HUP, so that neither Ctrl-C on COMMAND nor the end of a terminal reaches the nodes.
  (
    trap '' INT HUP
    exec java -Xmx"$heap" -Xms128m -XX:+UseG1GC -XX:MaxGCPauseMillis=20 \
      -Dlog4j2.configurationFile="$dir/log4j2.yaml" -cp "$lib/*" kafka.Kafka "$dir/$1.properties" \
      >>"$dir/$1.log" 2>&1 </dev/null
  ) &
  echo $! >"$dir/$1.pid"
  disown # a node that is killed is no news to the shell
}

# A metadata request (key 3, version 1, no topics); the third word of the answer is the number of live brokers.
brokers_seen() { # PORT: prints how many brokers the node knows, nothing if it does not answer in a second
  local answer probe t
  answer=$(mktemp)
  (
    exec 3<>"/dev/tcp/127.0.0.1/$1" || exit
    printf '\0\0\0\x0e\0\x03\0\x01\0\0\0\x07\xff\xff\0\0\0\0' >&3
    head -c 12 <&3 | od -An -tu1 >"$answer"
  ) 2>/dev/null &
  probe=$!
  for ((t = 0; t < 20; t++)); do
    [ -s "$answer" ] && break
    sleep 0.05
  done
  kill "$probe" 2>/dev/null || true
  wait "$probe" 2>/dev/null || true
  tr -s ' \n' ' ' <"$answer" | awk 'NF >= 12 { print $9 * 16777216 + $10 * 65536 + $11 * 256 + $12 }'
  rm -f "$answer"
}

ready() { # ID ALIVE: wait until node ID runs and knows at least so many brokers
  local deadline=$((SECONDS + 90)) seen
  while [ $SECONDS -lt $deadline ]; do
    if ! pid_of "$1" >/dev/null; then
      tail -n 20 "$dir/$1.log" >&2
      fail 1 "node $1 ended; its log is $dir/$1.log"
    fi
    seen=$(brokers_seen "$(client_port "$1")")
    [ "${seen:-0}" -ge "$2" ] && return
    sleep 0.1
  done
  tail -n 20 "$dir/$1.log" >&2
  fail 1 "node $1 was not ready after 90 s; its log is $dir/$1.log"
}

gone() { # ID: wait until a node that was ended has left its ports too
  local t
  for ((t = 0; t < 250; t++)); do
    if ! pid_of "$1" >/dev/null && ports_free "$1" >/dev/null; then return; fi
    sleep 0.02
  done
}

running() { # prints the nodes that run
  local i n
  n=$(cat "$dir/nodes" 2>/dev/null) || return 0
  for ((i = 1; i <= n; i++)); do
    if pid_of "$i" >/dev/null; then echo "$i"; fi
  done
}

load() { # an existing cluster
  place
  [ -e "$dir/nodes" ] || fail 2 "there is no cluster \"$cluster\"; start it first"
  nodes=$(cat "$dir/nodes")
  base=$(cat "$dir/base")
}

start() { # N
  local i
  number "nodes" "$1"
  fetch
  place
  [ -z "$(running)" ] || fail 2 "the cluster \"$cluster\" runs already; stop it first"
  if [ -e "$dir/nodes" ] && [ "$(cat "$dir/nodes")" != "$1" ]; then
    fail 2 "the cluster \"$cluster\" has $(cat "$dir/nodes") nodes; wipe it to have $1"
  fi
  mkdir -p "$dir/data"
  nodes=$1
  choose_ports "$nodes"
  echo "$nodes" >"$dir/nodes"
  echo "$base" >"$dir/base"
  if [ "${FRESHET_KAFKA_SASL:-}" = 1 ] && [ ! -e "$dir/secret" ]; then
    [ ! -e "$dir/data/1" ] || fail 2 "the cluster \"$cluster\" was made without SASL; wipe it first"
    (umask 077 && head -c 48 /dev/urandom | base64 | tr -dc 'A-Za-z0-9' | head -c 24 >"$dir/secret")
  fi
  rm -f "$dir/proxied"
  [ "${FRESHET_KAFKA_PROXIED:-}" != 1 ] || touch "$dir/proxied"
  logging
  for ((i = 1; i <= nodes; i++)); do
    properties "$i" "$nodes" >"$dir/$i.properties"
    format "$i"
  done
  for ((i = 1; i <= nodes; i++)); do launch "$i"; done
  for ((i = 1; i <= nodes; i++)); do ready "$i" "$nodes"; done
}

addresses() { # FUNCTION that gives a node's port
  local i list=''
  for ((i = 1; i <= nodes; i++)); do list+="${list:+,}127.0.0.1:$("$1" "$i")"; done
  echo "$list"
}

variables() {
  echo "FRESHET_TEST_BROKERS=$(addresses client_port)"
  echo "FRESHET_KAFKA_CLUSTER=$cluster"
  if [ -e "$dir/secret" ]; then
    echo "FRESHET_TEST_SASL_BROKERS=$(addresses sasl_port)"
    echo "FRESHET_TEST_SASL_USERNAME=freshet"
    echo "FRESHET_TEST_SASL_PASSWORD=$(cat "$dir/secret")"
  fi
  if [ -e "$dir/proxied" ]; then
    echo "FRESHET_TEST_PROXIES=$(addresses proxy_port)"
    echo "FRESHET_TEST_PROXIED_BROKERS=$(addresses proxied_port)"
  fi
}

status() {
  local i pid
  load
  variables
  for ((i = 1; i <= nodes; i++)); do
    if pid=$(pid_of "$i"); then
      echo "# node $i: 127.0.0.1:$(client_port "$i"), pid $pid"
    else
      echo "# node $i: 127.0.0.1:$(client_port "$i"), stopped"
    fi
  done
}

stop() {
  local i pid t
  place
  for i in $(running); do kill "$(pid_of "$i")" 2>/dev/null || true; done
  for i in $(running); do
    for ((t = 0; t < 150; t++)); do
      pid_of "$i" >/dev/null || break
      sleep 0.1
    done
    if pid=$(pid_of "$i"); then kill -9 "$pid" 2>/dev/null || true; fi
  done
  rm -f "$dir"/*.pid
}

crash() { # ID
  local pid
  load
  number "node" "$1"
  pid=$(pid_of "$1") || fail 2 "node $1 does not run"
  kill -9 "$pid"
  gone "$1"
}

node() { # ID
  local taken
  load
  number "node" "$1"
  [ "$1" -le "$nodes" ] || fail 2 "the cluster \"$cluster\" has $nodes nodes"
  if ! pid_of "$1" >/dev/null; then
    taken=$(ports_free "$1") || fail 3 "port $taken is taken by another process"
    need_java
    launch "$1"
  fi
  ready "$1" 1
}

with() { # [N] -- COMMAND...
  local n=1 code line
  if [ "${1:-}" != -- ]; then
    n=${1:-}
    shift || usage
  fi
  [ "${1:-}" = -- ] || usage
  shift
  [ $# -gt 0 ] || usage
  cluster=with-$$
  place
  trap 'stop; rm -rf "$dir"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  start "$n"
  while read -r line; do export "${line?}"; done < <(variables)
  code=0
  "$@" || code=$?
  exit "$code"
}

command=${1:-}
[ $# -gt 0 ] && shift
case $command in
  fetch) fetch ;;
  start)
    start "${1:-1}"
    status
    ;;
  status) status ;;
  stop) stop ;;
  wipe)
    stop
    rm -rf "$dir"
    ;;
  kill) crash "${1:-}" ;;
  node) node "${1:-}" ;;
  with) with "$@" ;;
  *) usage ;;
esac
