# Background jobs with statuses, wait in all forms, pipelines, a coprocess, traps, read -t.
work() { echo "job $1"; return $(($1 % 5)); }

pids=()
for i in $(seq 30); do
    work "$i" > "out.$i" &
    pids+=($!)
done
sum=0
for p in "${pids[@]}"; do
    wait "$p"
    sum=$((sum + $?))
done
echo "statuses $sum lines $(cat out.* | wc -l)"

(exit 9) &
wait -n
echo "wait -n $?"

coproc UP { tr a-z A-Z; }
up_pid=$UP_PID
echo hello >&"${UP[1]}"
eval "exec ${UP[1]}>&-"
read -r line <&"${UP[0]}"
echo "coproc $line"
wait "$up_pid"

seq 100000 | sort -rn | head -1 | { read -r top; echo "top $top"; }
false | true | false
echo "pipe status ${PIPESTATUS[*]}"

sleep 50 &
kill -TERM $!
wait $!
echo "killed $?"

trap 'echo "trap usr1"' USR1
kill -USR1 $$
( sleep 0.05; kill -USR1 $$ ) &
wait
wait
trap 'echo "bye"' EXIT
mkfifo fifo
( for n in 1 2 3; do echo "line $n"; done > fifo ) &
while read -r line; do echo "fifo $line"; done < fifo
read -r -t 0.05 nothing < <(sleep 0.5)
echo "read -t $(($? > 128))"
diff <(seq 10) <(seq 2 11) | wc -l
cat <<< "here $(echo "$(echo nested)")"
exit 6
