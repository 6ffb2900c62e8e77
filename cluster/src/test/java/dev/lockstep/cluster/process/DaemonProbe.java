package dev.lockstep.cluster.process;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;

/// A process to be stopped by [DaemonTest]; prints what happens to it.
final class DaemonProbe {

    private DaemonProbe() {}

    public static void main(String[] arguments) throws InterruptedException {
        List<String> words = List.of(arguments);
        Daemon daemon =
                new Daemon("probe", Duration.ofSeconds(words.contains("short-drain") ? 1 : 20));
        daemon.own(() -> say("first closed"));
        daemon.atEnd(
                reason -> {
                    if (words.contains("hang")) {
                        hang();
                    }
                    if (words.contains("drain") && reason.drains()) {
                        say("draining");
                        Thread.sleep(Duration.ofSeconds(30));
                    }
                    say("second closed " + reason);
                });
        daemon.own(
                () -> {
                    if (words.contains("fail")) {
                        throw new IllegalStateException("cannot close");
                    }
                });
        if (words.contains("parent-pipe")) {
            daemon.watchParentPipe();
        }
        if (words.contains("slow-start")) {
            say("ready");
            hang();
        }
        if (words.contains("exit")) {
            daemon.exitWith(7);
        }
        if (words.contains("system-exit")) {
            say("ready");
            System.exit(5);
        }
        say("ready");
        daemon.run();
    }

    private static void hang() {
        CountDownLatch never = new CountDownLatch(1);
        while (true) {
            try {
                never.await();
            } catch (InterruptedException e) {
                say("interrupted");
            }
        }
    }

    private static void say(String line) {
        System.out.println(line);
    }
}
