# Queues, conditions, timeouts, pipes, sockets, children and signals among threads.
require 'socket'
require 'timeout'

queue = Queue.new
threads = 8.times.map do |i|
  Thread.new { 100.times { |j| queue << i * j; Thread.pass if j % 10 == 0 }; i }
end
puts "values #{threads.map(&:value).sum}"
sum = 0
sum += queue.pop until queue.empty?
puts "queue #{sum}"

mutex, cond, ready = Mutex.new, ConditionVariable.new, false
waiter = Thread.new { mutex.synchronize { cond.wait(mutex) until ready }; :woken }
mutex.synchronize { ready = true; cond.signal }
puts waiter.value

begin
  Timeout.timeout(0.05) { sleep 60 }
rescue Timeout::Error
  puts 'timeout'
end

r, w = IO.pipe
reader = Thread.new { r.gets }
w.puts 'line'
puts reader.value
sleeper = Thread.new { sleep }
sleeper.kill
puts sleeper.join.status.inspect

server = TCPServer.new('127.0.0.1', 0)
acceptor = Thread.new do
  served = 8.times.map do
    c = server.accept
    Thread.new { while (l = c.gets) do c.puts l.upcase end; c.close }
  end
  served.each(&:join)
end
good = 8.times.map do |i|
  Thread.new do
    c = TCPSocket.new('127.0.0.1', server.addr[1])
    ok = 30.times.count { |j| c.puts "a#{i}x#{j}"; c.gets == "A#{i}X#{j}\n" }
    c.close
    ok
  end
end
puts "echoed #{good.map(&:value).sum}"
acceptor.join

puts 4.times.map { |i| Thread.new { system("exit #{i}"); $?.exitstatus } }.map(&:value).inspect
Process.wait(fork { Thread.new { exit!(3) }.join })
puts "child #{$?.exitstatus}"
trap(:TERM) { puts 'term'; exit 4 }
Thread.new { Process.kill(:TERM, $$) }
sleep 60
