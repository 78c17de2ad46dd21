# Durable publishes of 1 KiB a second over connections, one outstanding each.  data, output: set by bench/record.
set terminal svg size 820,620 dynamic background rgb 'white' font 'sans-serif,13'
set output output
set title 'Publish of 1 KiB, one request outstanding a connection: median, range over rounds'
set xlabel 'connections'
set ylabel 'messages/s'
set logscale x 2
set logscale y 10
set xrange [0.8:640]
set format y '%.0s %c'
set grid
set key outside below center maxcols 3
set style data yerrorlines
stats data using 1 nooutput
plot for [i = 0:STATS_blocks - 1] data index i using 1:2:3:4 with yerrorlines pointtype 7 pointsize 0.4 title columnheader(1)
