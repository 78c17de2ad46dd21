# Latency of durable publishes of 1 KiB over their rate, from when each was due.  data, output: set by bench/record.
set terminal svg size 1150,680 dynamic background rgb 'white' font 'sans-serif,13'
set output output
set multiplot layout 2,1 title 'Publish of 1 KiB at a fixed rate: latency from when it was due'
set xlabel 'messages/s'
set logscale xy
set xrange [900:45000]
set format x '%.0s %c'
set grid
set key outside right
stats data using 1 nooutput
set ylabel 'p50, us'
plot for [i = 0:STATS_blocks - 1] data index i using 1:2 with linespoints pointtype 7 pointsize 0.4 title columnheader(1)
set ylabel 'p99, us'
plot for [i = 0:STATS_blocks - 1] data index i using 1:3 with linespoints pointtype 7 pointsize 0.4 title columnheader(1)
unset multiplot
