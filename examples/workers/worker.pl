#!/usr/bin/env perl
# A skep worker in Perl, with core modules only: greets. Tasks come on stdin, answers go to fd 3, and what
# is printed is the task's log.
# skep.toml:  [workers.hello]  run.process = ["perl", "worker.pl"]
use strict; use warnings; use JSON::PP;
open(my $replies, ">&=", 3) or die "no fd 3: $!"; $replies->autoflush(1);
sub tell_drone { print $replies encode_json({@_}), "\n" }
sub hello { my $name = shift->{name} // die "no name\n"; return {greeting => "hello $name"} }
tell_drone(op => "hello", proto => 1, concurrency => 1, pid => $$, lang => "perl");
while (my $line = <STDIN>) {
    my $m = decode_json($line);
    last if $m->{op} eq "stop"; next if $m->{op} ne "run";
    my $result = eval { hello($m->{payload}) };
    tell_drone($result ? (op => "done", id => $m->{id}, result => $result) : (op => "fail", id => $m->{id}, error => "$@"));
}
