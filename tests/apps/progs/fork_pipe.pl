# 40 children, each with a pipe to the parent; a server on a socket; open to and from commands.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use POSIX ":sys_wait_h";

my $select = IO::Select->new;
my %status;
my @children;
for my $n (1 .. 40) {
    pipe(my $r, my $w) or die "pipe: $!";
    my $pid = fork() // die "fork: $!";
    if ($pid == 0) {
        close $r;
        select(undef, undef, undef, 0.001 * ($n % 7));
        syswrite $w, "child $n " . ("x" x ($n * 1000));
        exit $n;
    }
    close $w;
    $select->add($r);
    push @children, $pid;
}
my %text;
while ($select->count) {
    for my $fh ($select->can_read(20)) {
        my $got = sysread $fh, my $part, 4096;
        if ($got) { $text{fileno $fh} .= $part; next }
        $select->remove($fh);
    }
}
my $bytes = 0;
$bytes += length for values %text;
for my $pid (@children) {
    waitpid($pid, 0) == $pid or die "waitpid: $!";
    $status{$? >> 8}++;
}
print "children $bytes statuses ", scalar(keys %status), "\n";

my $server = IO::Socket::INET->new(Listen => 50, LocalAddr => "127.0.0.1") or die "listen: $@";
my $port = $server->sockport;
my $acceptor = fork() // die "fork: $!";
if ($acceptor == 0) {
    $SIG{CHLD} = "IGNORE";
    for (1 .. 20) {
        my $c = $server->accept or die "accept: $!";
        next if fork();
        while (my $line = <$c>) { print $c scalar reverse($line =~ s/\n//r), "\n" }
        exit 0;
    }
    exit 7;
}
my $good = 0;
for my $n (1 .. 20) {
    my $c = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") or die "connect: $@";
    $c->autoflush(1);
    print $c "line $n\n";
    my $back = <$c>;
    $good++ if $back eq reverse("line $n") . "\n";
}
waitpid($acceptor, 0);
print "echo $good status ", $? >> 8, "\n";

my $sum = 0;
open(my $in, "-|", "seq", "1000") or die "seq: $!";
$sum += $_ while <$in>;
close $in;
open(my $out, "|-", "sort -n | tail -1") or die "sort: $!";
print $out "$_\n" for 5, 100, 20;
close $out;
my $kept = `echo kept; exit 3`;
print "commands $sum ", $kept =~ s/\n//r, " ", $? >> 8, "\n";

local $SIG{ALRM} = sub { die "alarm\n" };
eval { alarm 1; sleep 30; };
print "eval $@";
my $none = waitpid(-1, WNOHANG);
print "left $none\n";
