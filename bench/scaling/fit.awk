# fit.awk - the costs that simulate.c wants, from lines of measure.sh (F=1 W=1, 1 KiB) and of lines.c.
#
#   awk -f bench/scaling/fit.awk MEASURED      prints key=value words
#
# Two points fix each role: the loneliest load (each message makes turns and wakes of its own, CPUs stand idle) and the largest
# (turns are shared).  Those between, and other F and W, are not looked at here: they are what the simulation is held against.
#
#   CPU a message = part a message + fixed part * turns a message + cost of a wake * wakes a message
#
# A wake is as dear as lines.c measured it where a CPU stands idle.  Elsewhere it is the write alone, which was not measured: 1 us.
function value(key,    i, kv) {
	for (i = 1; i <= NF; i++) {
		split($i, kv, "=")
		if (kv[1] == key)
			return kv[2]
	}
	return 0
}
/wake_write_ns=/ { wake += value("wake_write_ns") / 1000; wake_lines++; next }
/^F=1 W=1 / && value("window") == 1 && value("queues") == 1 && value("body") == 1024 && value("pin") == "none" && value("mode") == "publish" {
	c = value("conns")
	runs[c]++
	split("client_us front_us worker_us persist_us front_turns worker_turns front_wakes worker_wakes persist_wakes batches write_p50_us write_p99_us", keys, " ")
	for (k in keys)
		sum[c, keys[k]] += value(keys[k])
	low = low == 0 || c + 0 < low ? c + 0 : low
	high = c + 0 > high ? c + 0 : high
}
function at(c, key) { return sum[c, key] / runs[c] }
# turns: the counter; sim_turns: how many of them the simulation makes for a lone message
function role(name, turns, sim_turns, wakes,    fixed, each, lone, full) {
	lone = at(low, name "_us") - wake_idle * (wakes == "" ? 0 : at(low, wakes))
	full = at(high, name "_us") - wake_busy * (wakes == "" ? 0 : at(high, wakes))
	fixed = (lone - full) / (at(low, turns) - at(high, turns))
	each = full - fixed * at(high, turns)
	if (each < 0.1)
		each = 0.1
	printf " %s_fixed=%.2f %s_each=%.3f", name, (lone - each) / sim_turns, name, each
}
END {
	if (wake_lines == 0 || low == high) {
		print "fit.awk: needs lines of two loads and one of lines.c" > "/dev/stderr"
		exit 1
	}
	wake_idle = wake / wake_lines
	wake_busy = 1
	printf "wake_idle=%.2f wake_busy=%.2f", wake_idle, wake_busy
	role("front", "front_turns", 3, "front_wakes")
	role("worker", "worker_turns", 1, "worker_wakes")
	role("persist", "batches", 1, "persist_wakes")
	printf " client_fixed=%.2f client_each=%.3f", at(low, "client_us") - at(high, "client_us"), at(high, "client_us")
	# A lone write; its quantile 0.99 is 2.33 standard deviations above the median of a lognormal time.
	printf " write_us=%.0f write_sigma=%.2f\n", at(low, "write_p50_us"), log(at(low, "write_p99_us") / at(low, "write_p50_us")) / 2.33
}
