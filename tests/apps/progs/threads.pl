# Interpreter threads: a shared sum, a queue, a condition, a signal sent to a thread.
use strict;
use warnings;
use threads;
use threads::shared;
use Thread::Queue;

my $sum : shared = 0;
my $queue = Thread::Queue->new;
my @threads = map {
    my $n = $_;
    threads->create(sub {
        for (1 .. 100) { lock($sum); $sum++; }
        while (defined(my $x = $queue->dequeue)) { lock($sum); $sum += $x; }
        return $n;
    })
} 1 .. 6;
$queue->enqueue(1 .. 300);
$queue->end;
print "returned @{[map { $_->join } @threads]}, sum $sum\n";

my $ready : shared;
my $waiter = threads->create(sub { lock($ready); cond_wait($ready) until $ready; return 7; });
{ lock($ready); $ready = 1; cond_signal($ready); }
print "waited ", $waiter->join, "\n";

my $killed = threads->create(sub {
    local $SIG{KILL} = sub { threads->exit };
    select(undef, undef, undef, 0.01) while 1;
});
select(undef, undef, undef, 0.05);
$killed->kill('KILL')->join;
print "killed\n";
system('exit 5');
print "child ", $? >> 8, "\n";
