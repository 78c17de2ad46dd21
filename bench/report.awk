# report.awk - what the lines of bench/peers say, as Markdown.
#
#   awk -f bench/report.awk RAW                       tables: targets, publish, receive, latency, what a message costs
#   awk -v plot=publish -f bench/report.awk RAW       blocks for gnuplot: connections, median, lowest, highest
#   awk -v plot=rate -f bench/report.awk RAW          blocks for gnuplot: rate, p50, p99
#   awk -v only=targets ...                           only the first table
#
# A line taken while others used more than 0.3 cores is left out where the same point has cleaner ones; a point that has none
# but such lines is marked with *, and decides nothing.  A ratio is taken within each round, then the median over the rounds: machines drift.

function field(line, name,    parts, n, i) {
	n = split(line, parts, " ")
	for (i = 1; i <= n; i++)
		if (index(parts[i], name "=") == 1)
			return substr(parts[i], length(name) + 2)
	return ""
}

# The values of a measure in all rounds that count, sorted, in sorted[1..]; how many.
function values(label, point, name,    n, r, i, k, v, clean) {
	delete sorted
	for (r = 1; r <= rounds; r++)
		clean += ((label, point, r) in line) && field(line[label, point, r], "foreign") <= 0.3
	for (r = 1; r <= rounds; r++) {
		if (!((label, point, r) in line) || (clean > 0 && field(line[label, point, r], "foreign") > 0.3))
			continue
		v = field(line[label, point, r], name)
		if (v != "")
			sorted[++n] = v + 0
	}
	sort_values(n)
	is_dirty = clean == 0
	return n
}
function sort_values(n,    i, k, v) {
	for (i = 2; i <= n; i++) {
		v = sorted[i]
		for (k = i - 1; k > 0 && sorted[k] > v; k--)
			sorted[k + 1] = sorted[k]
		sorted[k + 1] = v
	}
}
function middle(n) {
	return n % 2 ? sorted[(n + 1) / 2] : (sorted[n / 2] + sorted[n / 2 + 1]) / 2
}
function median(label, point, name,    n) {
	n = values(label, point, name)
	return n == 0 ? "" : middle(n)
}

# 1234567 as 1,234,567
function commas(v,    text, out) {
	text = sprintf("%.0f", v)
	while (length(text) > 3) {
		out = "," substr(text, length(text) - 2) out
		text = substr(text, 1, length(text) - 3)
	}
	return text out
}
# microseconds for people
function time_text(us) {
	if (us == "" || us == 0)
		return "-"
	return us < 995 ? sprintf("%.0f us", us) : sprintf("%.*f ms", us < 9950 ? 2 : us < 99500 ? 1 : 0, us / 1000)
}
function time_cell(label, point, name,    v) {
	v = median(label, point, name)
	return time_text(v) (v != "" && v != 0 && is_dirty ? "*" : "")
}
function cell(label, point, name, has_spread,    n, v) {
	n = values(label, point, name)
	if (n == 0)
		return "-"
	v = commas(middle(n)) (is_dirty ? "*" : "")
	return has_spread && n > 1 ? v " (" commas(sorted[1]) " to " commas(sorted[n]) ")" : v
}

# --- targets ---

# What is asked of Chasqui: measure `name` of one point, as a multiple of the same of another.
function target(what, point, name, sense, factor, against, against_point,    n, r, a, b, has_clean) {
	if (against_point == "")
		against_point = point
	delete sorted
	for (r = 1; r <= rounds; r++)
		has_clean += is_clean(point, against, against_point, r)
	for (r = 1; r <= rounds; r++) {
		if (!(("chasqui", point, r) in line) || !((against, against_point, r) in line))
			continue
		if (has_clean > 0 && !is_clean(point, against, against_point, r))
			continue
		a = field(line["chasqui", point, r], name)
		b = field(line[against, against_point, r], name)
		if (a != "" && b > 0)
			sorted[++n] = a / b
	}
	if (n == 0) {
		target_row(what, name, against, "-", "-", sense, factor, "not measured")
		return
	}
	sort_values(n)
	r = middle(n)
	target_row(what, name, against, sprintf("%.2f%s", r, has_clean == 0 ? "*" : ""),
		n > 1 ? sprintf("%.2f to %.2f", sorted[1], sorted[n]) : "one round", sense, factor,
		has_clean == 0 ? "too noisy to say" : (sense == ">=" ? r >= factor : r <= factor) ? "met" : "not met")
}
function is_clean(point, against, against_point, r) {
	return (("chasqui", point, r) in line) && ((against, against_point, r) in line) &&
		field(line["chasqui", point, r], "foreign") <= 0.3 && field(line[against, against_point, r], "foreign") <= 0.3
}
function target_row(what, name, against, measured, spread, sense, factor, verdict) {
	printf "| %s, %s | %s | %s | %s | %s %s | %s |\n", what, name_text[name], against_text[against], measured, spread,
		(sense == ">=" ? "at least" : "at most"), factor, verdict
}
# A batch of a hundred: a million messages a second, or nine tenths of what the disk takes, whichever is less.
function target_batch(    ours, disk, wanted) {
	ours = median("chasqui", "batch-100", "rate")
	disk = median("disk", "disk-1M", "rate")
	if (ours == "" || disk == "") {
		print "| publish by hundreds, messages/s | the disk | - | - | at least 0.9, or 1,000,000 | not measured |"
		return
	}
	wanted = 0.9 * disk < 1000000 ? 0.9 * disk : 1000000
	printf "| publish by hundreds, messages/s | the disk (%s) | %.2f (%s) | %s | at least 0.9, or 1,000,000 | %s |\n", commas(disk),
		ours / disk, commas(ours), "medians", (ours >= wanted ? "met" : "not met")
}
function targets() {
	print "| Chasqui | against | ratio | over rounds | target | |"
	print "|---|---|---|---|---|---|"
	target("durable publish, 1 connection", "publish-1x1", "rate", ">=", 1.2, "redis")
	target("durable publish, 64 connections", "publish-64x1", "rate", ">=", 1.5, "redis")
	target("durable publish, 64 connections", "publish-64x1", "rate", ">=", 0.9, "limit-JF")
	target("durable publish, 256 connections", "publish-256x1", "rate", ">=", 1.6, "redis")
	target("durable publish, 64 x 16 outstanding", "publish-64x16", "rate", ">=", 2.7, "redis")
	target("durable publish, 64 x 16 outstanding", "publish-64x16", "rate", ">=", 0.9, "limit-JF")
	target("durable publish, 64 connections, 16 KiB", "publish-64x1-16K", "rate", ">=", 0.9, "limit-JF")
	target_batch()
	target("publish to memory, 64 connections", "memory-64x1", "rate", ">=", 0.8, "limit-U", "publish-64x1")
	target("receive and durable ack, 64 connections", "receive-64x1", "rate", ">=", 2, "redis")
	target("receive and durable ack, 64 x 16 at a time", "receive-64x16", "rate", ">=", 1.8, "redis")
	target("end to end at 2,000/s", "e2e-2000", "p50", "<=", 0.55, "redis")
	target("end to end at 2,000/s", "e2e-2000", "p99", "<=", 0.6, "redis")
	target("publish at 5,000/s", "rate-5000", "p99", "<=", 1, "limit-JF")
	target("durable publish, 64 connections", "publish-64x1", "cpu", "<=", 1.2, "limit-JF")
	target("durable publish, 64 x 16 outstanding", "publish-64x16", "cpu", "<=", 1.2, "limit-JF")
	target("publish over 100,000 queues", "queues-many", "rate", ">=", 0.8, "chasqui", "queues-1")
	target("publish to a backlog", "backlog-publish", "rate", ">=", 0.9, "chasqui", "backlog-none-publish")
	target("publish to a backlog, 64 x 16", "backlog-publish16", "rate", ">=", 0.9, "chasqui", "backlog-none-publish16")
	target("receive from a backlog", "backlog-receive", "rate", ">=", 0.9, "chasqui", "backlog-none-receive")
	target("receive from a backlog, 16 at a time", "backlog-receive16", "rate", ">=", 0.9, "chasqui", "backlog-none-receive16")
}

# --- tables ---

function has(label, prefix,    i) {
	for (i = 1; i <= key_count; i++)
		if (key_label[i] == label && index(key_point[i], prefix) == 1)
			return 1
	return 0
}
function row_name(label) {
	return label == "chasqui" ? "**Chasqui**" : against_text[label]
}
function publish_table(    i, l) {
	print "\n| durable publish, messages/s | 1 | 16 | 64 | 256 | 64 x 16 | 64, 100 B | 64, 16 KiB |"
	print "|---|---|---|---|---|---|---|---|"
	for (i = 1; i <= label_count; i++) {
		l = labels[i]
		if (has(l, "publish-"))
			printf "| %s | %s | %s | %s | %s | %s | %s | %s |\n", row_name(l), cell(l, "publish-1x1", "rate"),
				cell(l, "publish-16x1", "rate"), cell(l, "publish-64x1", "rate", 1), cell(l, "publish-256x1", "rate"),
				cell(l, "publish-64x16", "rate", 1), cell(l, "publish-64x1-100B", "rate"), cell(l, "publish-64x1-16K", "rate")
	}
}
function latency_table(    i, l, cpu, rss) {
	print "\n| durable publish | 64 connections: p50 | p99 | p999 | at 5,000/s: p50 | p99 | p999 | CPU us a message, 64 | 64 x 16 | MiB resident |"
	print "|---|---|---|---|---|---|---|---|---|---|"
	for (i = 1; i <= label_count; i++) {
		l = labels[i]
		if (!has(l, "publish-"))
			continue
		cpu = median(l, "publish-64x16", "cpu")
		rss = median(l, "publish-64x1", "resident")
		printf "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", row_name(l), time_cell(l, "publish-64x1", "p50"),
			time_cell(l, "publish-64x1", "p99"), time_cell(l, "publish-64x1", "p999"),
			time_cell(l, "rate-5000", "p50"), time_cell(l, "rate-5000", "p99"),
			time_cell(l, "rate-5000", "p999"), number(median(l, "publish-64x1", "cpu")), number(cpu),
			rss == "" ? "-" : sprintf("%.0f", rss / 1024)
	}
}
function number(v) {
	return v == "" ? "-" : sprintf("%.1f", v)
}
function receive_table(    i, l) {
	print "\n| receive and acknowledge, messages/s | 64, one at a time | p50 | p99 | CPU us | 64, 16 at a time | end to end at 2,000/s: p50 | p99 | p999 |"
	print "|---|---|---|---|---|---|---|---|---|"
	for (i = 1; i <= label_count; i++) {
		l = labels[i]
		if (has(l, "receive-"))
			printf "| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", row_name(l), cell(l, "receive-64x1", "rate", 1),
				time_cell(l, "receive-64x1", "p50"), time_cell(l, "receive-64x1", "p99"),
				number(median(l, "receive-64x1", "cpu")), cell(l, "receive-64x16", "rate", 1),
				time_cell(l, "e2e-2000", "p50"), time_cell(l, "e2e-2000", "p99"),
				time_cell(l, "e2e-2000", "p999")
	}
}
# What only Chasqui is asked: each point it has that the tables above do not show.
function own_row(what, point) {
	if (values("chasqui", point, "rate") == 0)
		return
	if (!own_rows++) {
		print "\n| Chasqui alone | messages/s | p50 | p99 | CPU us a message |"
		print "|---|---|---|---|---|"
	}
	printf "| %s | %s | %s | %s | %s |\n", what, cell("chasqui", point, "rate", 1), time_cell("chasqui", point, "p50"),
		time_cell("chasqui", point, "p99"), number(median("chasqui", point, "cpu"))
}
function own_table() {
	own_row("publish to memory, 64 connections", "memory-64x1")
	own_row("publish by hundreds, 16 connections", "batch-100")
	own_row("publish by hundreds, 16 connections, 100 B", "batch-100-100B")
	own_row("receive raw, 64 connections", "receive-64x1-raw")
	own_row("make queues, 64 connections", "queues-many-made")
	own_row("publish over those in turn", "queues-many")
	own_row("the same broker, one queue", "queues-1")
	own_row("fill a backlog, by hundreds", "backlog-filled")
	own_row("publish to the backlog, 64 connections", "backlog-publish")
	own_row("the same broker without one", "backlog-none-publish")
	own_row("receive from the backlog, 64 connections", "backlog-receive")
	own_row("the same broker without one", "backlog-none-receive")
	own_row("receive from the backlog, 16 at a time", "backlog-receive16")
	own_row("the same broker without one", "backlog-none-receive16")
}

# --- plots ---

function plot_publish(    i, k, c, n, counts) {
	n = split("1 2 4 8 16 32 64 128 256 512", counts, " ")
	for (i = 1; i <= label_count; i++) {
		if (!has(labels[i], "publish-"))
			continue
		printf "%s\"%s\"\n", blocks++ ? "\n\n" : "", plain_text(labels[i]) # two empty lines between blocks, none at the end
		for (k = 1; k <= n; k++)
			if ((c = values(labels[i], "publish-" counts[k] "x1", "rate")) > 0)
				print counts[k], middle(c), sorted[1], sorted[c]
	}
}
function plot_rate(    i, k, n, rates, got) {
	n = split("1000 2000 5000 10000 20000 40000", rates, " ")
	for (i = 1; i <= label_count; i++) {
		if (!has(labels[i], "rate-"))
			continue
		printf "%s\"%s\"\n", blocks++ ? "\n\n" : "", plain_text(labels[i]) # two empty lines between blocks, none at the end
		for (k = 1; k <= n; k++) {
			got = median(labels[i], "rate-" rates[k], "rate")
			# What cannot keep up has no latency, only a queue.
			if (got != "" && got > 0.98 * rates[k])
				print rates[k], median(labels[i], "rate-" rates[k], "p50"), median(labels[i], "rate-" rates[k], "p99")
		}
	}
}
function plain_text(label) {
	return label == "chasqui" ? "Chasqui" : against_text[label]
}

BEGIN {
	against_text["chasqui"] = "itself"
	against_text["redis"] = "redis streams, fsync always"
	against_text["rabbitmq"] = "RabbitMQ quorum queue"
	against_text["nats"] = "NATS JetStream, file"
	against_text["beanstalkd"] = "beanstalkd -f 0"
	against_text["postgresql"] = "PostgreSQL SKIP LOCKED"
	against_text["nginx"] = "nginx, return 201"
	against_text["limit-U"] = "limit U: bare responder"
	against_text["limit-J"] = "limit J: with a journal"
	against_text["limit-JF"] = "limit JF: journal in a second process"
	against_text["disk"] = "the disk"
	name_text["rate"] = "messages/s"
	name_text["cpu"] = "CPU a message"
	name_text["p50"] = "p50"
	name_text["p99"] = "p99"
}
/^(point|round|label)=/ {
	label = field($0, "label")
	point = field($0, "point")
	round = field($0, "round") + 0
	if (label == "" || point == "" || round == 0)
		next
	if (!((label, point) in seen)) {
		seen[label, point] = 1
		key_label[++key_count] = label
		key_point[key_count] = point
	}
	if (!(label in is_label)) {
		is_label[label] = 1
		labels[++label_count] = label
	}
	rounds = round > rounds ? round : rounds
	line[label, point, round] = $0
}
END {
	if (key_count == 0) {
		print "report: no results" > "/dev/stderr"
		exit 1
	}
	if (plot == "publish") {
		plot_publish()
	} else if (plot == "rate") {
		plot_rate()
	} else {
		targets()
		if (only != "targets") {
			publish_table()
			latency_table()
			receive_table()
			own_table()
		}
	}
}
