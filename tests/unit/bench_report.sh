#!/bin/bash
# bench/report.awk and bench/record: fixed lines in, known tables out.  Last line: N passed, N failed.
set -u
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d "${TMPDIR:-/tmp}/chasqui-report.XXXXXX")
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

# shows FILE TEXT: a line of the file that is exactly this
shows() {
	if grep -qxF -- "$2" "$work/$1"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "wanted the line: $2"
		echo "saw:"
		cat "$work/$1"
	fi
}
lacks() {
	if grep -qF -- "$2" "$work/$1"; then
		failed=$((failed + 1))
		echo "did not want: $2"
	else
		passed=$((passed + 1))
	fi
}

# line POINT ROUND LABEL RATE FOREIGN more...
line() {
	echo "point=$1 round=$2 label=$3 protocol=x rate=$4 foreign=$5 ${*:6}"
}
{
	# Ratios to redis 1.5, 2.0, 1.4: median 1.50.
	line publish-64x1 1 chasqui 60000 0.1 p50=800 p99=2000 p999=12345 cpu=10 resident=10240
	line publish-64x1 1 redis 40000 -0.05 p50=1500 p99=2500 p999=3000 cpu=15 resident=20480
	line publish-64x1 2 chasqui 80000 0.0 p50=700 p99=1000 p999=123456 cpu=12 resident=20480
	line publish-64x1 2 redis 40000 0.0 p50=1400 p99=2600 p999=3000 cpu=15 resident=20480
	line publish-64x1 3 chasqui 70000 0.2 p50=750 p99=1900 p999=9 cpu=11 resident=20480
	line publish-64x1 3 redis 50000 0.3 p50=1600 p99=2700 p999=3000 cpu=15 resident=20480
	# Others were busy in the second round: it does not count.  2.0 and 2.2: median 2.10.
	line receive-64x1 1 chasqui 20000 0.0 p50=1000
	line receive-64x1 1 redis 10000 0.0 p50=1000
	line receive-64x1 2 chasqui 90000 0.0 p50=1000
	line receive-64x1 2 redis 5000 0.9 p50=1000
	line receive-64x1 3 chasqui 22000 0.0 p50=1000
	line receive-64x1 3 redis 10000 0.0 p50=1000
	# Nothing but noise.
	line e2e-2000 1 chasqui 2000 0.5 p50=200 p99=500
	line e2e-2000 1 redis 2000 0.0 p50=500 p99=1000
	# One round; equal to what is asked is enough.
	line rate-5000 1 chasqui 5000 0 p50=400 p99=1000 p999=2000
	line rate-5000 1 limit-JF 5000 0 p50=450 p99=1000 p999=2000
	# The disk takes 800,000/s: 720,000 are asked for.
	line batch-100 1 chasqui 700000 0
	line disk-1M 1 disk 800000 0
	line publish-1x1 1 chasqui 3000 0
	line publish-2x1 1 chasqui 6000 0
	line publish-2x1 2 chasqui 8000 0
	line rate-40000 1 chasqui 31000 0 p50=1 p99=1
	echo "noise that is no line"
} > "$work/raw"

awk -f bench/report.awk "$work/raw" > "$work/tables" || failed=$((failed + 1))
r='redis streams, fsync always'
shows tables "| durable publish, 64 connections, messages/s | $r | 1.50 | 1.40 to 2.00 | at least 1.5 | met |"
shows tables "| durable publish, 64 connections, messages/s | limit JF: journal in a second process | - | - | at least 0.9 | not measured |"
shows tables "| receive and durable ack, 64 connections, messages/s | $r | 2.10 | 2.00 to 2.20 | at least 2 | met |"
shows tables "| end to end at 2,000/s, p50 | $r | 0.40* | one round | at most 0.55 | too noisy to say |"
shows tables "| publish at 5,000/s, p99 | limit JF: journal in a second process | 1.00 | one round | at most 1 | met |"
shows tables "| publish by hundreds, messages/s | the disk (800,000) | 0.88 (700,000) | medians | at least 0.9, or 1,000,000 | not met |"
shows tables "| **Chasqui** | 3,000 | - | 70,000 (60,000 to 80,000) | - | - | - | - |"
shows tables "| **Chasqui** | 750 us | 1.90 ms | 12.3 ms | 400 us | 1.00 ms | 2.00 ms | 11.0 | - | 20 |"
shows tables "| $r | 10,000 (10,000 to 10,000) | 1.00 ms | - | - | - | 500 us | 1.00 ms | - |"
shows tables "| **Chasqui** | 22,000 (20,000 to 90,000) | 1.00 ms | - | - | - | 200 us* | 500 us* | - |"

awk -v only=targets -f bench/report.awk "$work/raw" > "$work/only"
lacks only "**Chasqui**"
awk -v plot=publish -f bench/report.awk "$work/raw" > "$work/plot"
shows plot '"Chasqui"'
shows plot "2 7000 6000 8000"
shows plot "64 70000 60000 80000"
awk -v plot=rate -f bench/report.awk "$work/raw" > "$work/plot"
shows plot "5000 400 1000"
lacks plot "40000" # it did not keep up

# The document: only what is between its markers changes, and changes again the next time.
printf 'above\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nbelow\n' > "$work/document"
for _ in 1 2; do
	bench/record "$work/raw" "$work/document" "$work" > /dev/null 2> "$work/errors" || failed=$((failed + 1))
done
shows document above
shows document below
shows document "<!-- bench:begin -->"
shows document "| durable publish, 64 connections, messages/s | $r | 1.50 | 1.40 to 2.00 | at least 1.5 | met |"
lacks document old
if [ "$(grep -c 'publish by hundreds, messages/s' "$work/document")" = 1 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
echo nothing > "$work/plain"
if bench/record "$work/raw" "$work/plain" "$work" > /dev/null 2>&1; then
	failed=$((failed + 1))
	echo "a document without markers was taken"
else
	passed=$((passed + 1))
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
