# Pipelines of builtins and commands, process substitutions, nested command substitutions,
# coprocesses, loops that read, wait -n.
set -u

echo "long: $(seq 20000 | cat | tac | sort -n | while read -r n; do
    [ $((n % 1000)) = 0 ] && echo "$n"; done | tr '\n' ' ' | wc -w)"
printf '%s\n' {1..500} | { while read -r n; do echo $((n * n)); done; echo end; } | tail -2
yes | head -c 300000 | wc -c
echo "broken: $(yes | head -1; echo "${PIPESTATUS[*]}")"
for i in {1..20}; do echo "$i"; done | xargs -n 5 | sed 's/ /-/g' | paste -sd,
set -o pipefail
false | cat | true
echo "pipefail $?"
set +o pipefail
shopt -s lastpipe
seq 10 | mapfile -t lines
echo "lastpipe ${#lines[@]}"
shopt -u lastpipe

diff <(seq 300 | sort) <(seq 300 | tac | sort) && echo "same"
paste <(seq 3) <(seq 4 6) <(paste <(seq 7 9) <(echo a; echo b; echo c))
seq 1000 | tee >(wc -l > tee.1) >(tail -1 > tee.2) > /dev/null
for name in tee.1 tee.2; do
    until [ -s "$name" ]; do sleep 0.01; done
    echo "$name $(cat "$name")"
done
while read -r a && read -r b <&3; do echo "$a $b"; done < <(seq 3) 3< <(seq 11 13)

nest() { if [ "$1" = 0 ]; then echo x; else echo "$(nest $(($1 - 1)))$(nest $(($1 - 1)))"; fi; }
echo "nested $(nest 5 | tr x y)"
echo "$(echo "$(echo "$(seq 5 | tr '\n' ' ')" | wc -w)" | tr 5 V)"
big=$(seq 30000)
echo "big ${#big} ${big: -5}"
trail=$(printf 'a\n\n\n')
echo "trailing <$trail>"

coproc BC { while read -r a b; do echo $((a + b)); done; }
for i in 1 2 3; do
    echo "$i $((i * 10))" >&"${BC[1]}"
    read -r sum <&"${BC[0]}"
    echo "coproc $sum"
done
pid=$BC_PID
eval "exec ${BC[1]}>&-"
wait "$pid"
echo "coproc ended $?"

sum=0
while IFS=, read -r a b; do
    sum=$((sum + a * b + $(echo "$a" | wc -c) + $(expr "$b" % 7)))
done < <(for i in {1..40}; do echo "$i,$((i + 1))"; done)
echo "sum $sum"
find . -name 'tee.*' -print0 | sort -z | while IFS= read -r -d '' f; do echo "found $f"; done

for i in 1 2 3 4 5 6; do (exit "$i") & done
sum=0
for i in 1 2 3 4 5 6; do wait -n; sum=$((sum + $?)); done
echo "wait -n sum $sum"
wait -n
echo "none left $?"
for i in {1..8}; do { seq "$i" "$((i + 50))" | sort -R | sort -n | head -1 > "job.$i"; } & done
wait
echo "jobs $(cat job.* | tr '\n' ' ')"
limit=3
for i in {1..12}; do
    while [ "$(jobs -rp | wc -l)" -ge "$limit" ]; do wait -n; done
    { sleep 0.0"$i"; echo "$i" > "limited.$i"; } &
done
wait
echo "limited $(cat limited.* | sort -n | tr '\n' ' ')"
exec 5< <(for i in 1 2 3; do echo "fd $i"; done)
cat <&5
( trap 'echo "subshell ends"' EXIT; echo in | cat; exit 7 )
echo "status $?"
timeout 0.1 sleep 20 | cat
echo "timeout ${PIPESTATUS[0]}"
exit 8
