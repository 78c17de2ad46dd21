#!/bin/bash
# run.sh - where would the time go with up to 32 frontds and 32 workers?  (make scaling)
#
#   bench/scaling/run.sh measure     measure this machine: bench/scaling/measured, some minutes
#   bench/scaling/run.sh [predict]   costs from it, predictions against measurements, the grid, auto against the best; and
#                                    docs/scaling.svg if gnuplot is there
set -euo pipefail
cd "$(dirname "$0")/../.."
measured=bench/scaling/measured
simulate=build/bench/scaling/simulate

# Three rounds, interleaved, so that a machine that changes its mood shows it in all points alike.  LOCK may name a command that
# keeps other measurements away.
measure() {
	local round c fw
	point() { ${LOCK:-} timeout 30 bench/scaling/measure.sh "$@" || echo "# failed: $*"; }
	for round in 1 2 3; do
		${LOCK:-} build/bench/scaling/lines
		for c in 1 4 16 64 256; do point -c "$c" 1 1; done
		for c in 16 64 256; do
			point -c "$c" 2 1
			point -c "$c" -q 2 1 2
			point -c "$c" -q 2 2 2
		done
		point -c 64 -b 16384 1 1
	done
}

# Words of simulate for those of measure.sh: a load process for each queue, and the queues live in so many shards.
as_measured() { sed 's/F=/fronts=/; s/W=/workers=/; s/conns=/connections=/; s/queues=\(.*\)/clients=\1 shards=\1/' <<<"$*"; }

# F W CONNECTIONS QUEUES, median of the measured rates and of their p50, the simulation's, and how far it is off.
validate() {
	local point predicted rate p50
	printf '%3s %3s %6s  %10s %10s %7s  %8s %8s %7s  %4s\n' F W conns measured predicted error p50_us predicted error runs
	grep '^F=.*body=1024' "$measured" | awk '{ print $1, $2, $3, $5 }' | sort -u -t= -k2,2n -k3,3n -k4,4n | sort -u |
		sort -V | while read -r point; do
		predicted=$($simulate $costs cpus=2 seconds=2 $(as_measured "$point"))
		rate=${predicted#* rate=} p50=${predicted#* p50_us=}
		awk -v point="$point" -v rate="${rate%% *}" -v p50="${p50%% *}" '
			function median(values, n,    i, j, t) {
				for (i = 2; i <= n; i++)
					for (j = i; j > 1 && values[j - 1] > values[j]; j--) { t = values[j]; values[j] = values[j - 1]; values[j - 1] = t }
				return n % 2 ? values[(n + 1) / 2] : (values[n / 2] + values[n / 2 + 1]) / 2
			}
			/^F=.*body=1024/ && $1 " " $2 " " $3 " " $5 == point {
				n++
				for (i = 1; i <= NF; i++) { split($i, kv, "="); if (kv[1] == "rate") rates[n] = kv[2] + 0; if (kv[1] == "p50_us") p50s[n] = kv[2] + 0 }
			}
			END {
				split(point, words, /[ =]/); r = median(rates, n); l = median(p50s, n)
				printf "%3d %3d %6d  %10.0f %10.0f %+6.0f%%  %8.0f %8.0f %+6.0f%%  %4d\n", words[2], words[4], words[6], r, rate, (rate / r - 1) * 100, l, p50, (p50 / l - 1) * 100, n
			}' "$measured"
	done
}

# A CPU for each process, clients elsewhere, 64 or 256 connections a frontd.
grid() { # CONNECTIONS a frontd, MiB/s of the disk
	local f w
	for f in 1 2 4 6 8 16 32; do
		for w in 1 2 4 8 16 32; do
			$simulate $costs cpus=$((f + w + 1)) fronts=$f workers=$w connections=$((f * $1)) disk_mib_s="$2" seconds=0.5
		done
	done
}

# For each number of CPUs what auto takes (cli/supervisor/placement.h), and the best that the simulation finds.
auto() {
	local n f w line best rate best_rate
	for n in 2 3 4 5 6 8 10 11 16 32; do
		f=$((n - 1 < 8 ? n - 1 : 8)) w=$((n <= 4 ? 1 : 2))
		line=$($simulate $costs cpus=$n fronts=$f workers=$w connections=1024 disk_mib_s=4000 seconds=0.5)
		best= best_rate=0
		for f in 1 2 3 4 5 6 7 8 10 12 16; do
			for w in 1 2 3 4; do
				[ $((f + w)) -le $((n + 1)) ] || continue
				rate=$($simulate $costs cpus=$n fronts=$f workers=$w connections=1024 disk_mib_s=4000 seconds=0.5 |
					sed 's/.* rate=\([0-9]*\) .*/\1/')
				if [ "$rate" -gt "$best_rate" ]; then best="F=$f W=$w" best_rate=$rate; fi
			done
		done
		echo "auto: $line   best: $best rate=$best_rate"
	done
}

plot() {
	command -v gnuplot >/dev/null || return 0
	gnuplot <<-END
		set terminal svg size 800,480 font "sans,13" background "white"
		set output "docs/scaling.svg"
		set title "Simulated, not measured: 1 KiB durable publishes a second, a CPU for each process"
		set xlabel "frontds"
		set ylabel "messages a second"
		set format y "%.0f"
		set logscale x 2
		set xtics (1, 2, 4, 6, 8, 16, 32)
		set key left top
		set grid
		rate(s) = "< sed -n 's/.*F=\\\\([0-9]*\\\\) W=" . s . " .* rate=\\\\([0-9]*\\\\) .*/\\\\1 \\\\2/p' "
		plot rate("1") . "$work/64" using 1:2 with linespoints title "64 connections a frontd, 1 worker", \
			rate("2") . "$work/64" using 1:2 with linespoints title "64 connections a frontd, 2 workers", \
			rate("2") . "$work/256" using 1:2 with linespoints title "256 connections a frontd, 2 workers", \
			rate("32") . "$work/256" using 1:2 with linespoints title "256 connections a frontd, 32 workers", \
			rate("2") . "$work/slow" using 1:2 with linespoints title "256, 2 workers, a disk of 400 MiB/s"
	END
}

predict() {
	[ -s "$measured" ] || { echo "run.sh: no $measured; run bench/scaling/run.sh measure" >&2; exit 1; }
	costs=$(awk -f bench/scaling/fit.awk "$measured")
	work=$(mktemp -d "${TMPDIR:-/tmp}/chasqui-scaling.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	grid 64 4000 >"$work/64"
	grid 256 4000 >"$work/256"
	grid 256 400 >"$work/slow"
	printf '== costs\n%s\n\n== predicted against measured, 2 CPUs, client beside the broker\n' "$costs"
	validate
	printf '\n== 64 connections a frontd, 4000 MiB/s\n'
	cat "$work/64"
	printf '\n== 256 connections a frontd, 4000 MiB/s\n'
	cat "$work/256"
	printf '\n== 256 connections a frontd, 400 MiB/s\n'
	cat "$work/slow"
	printf '\n== auto, 1024 connections\n'
	auto
	plot
}

case ${1:-predict} in
measure) measure | tee "$measured" ;;
predict) predict ;;
*) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
