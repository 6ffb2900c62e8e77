// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import dev.lockstep.cluster.Eventually;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.apache.logging.log4j.LogManager;

/// A process that [DaemonTest] stops; it prints its events.
final class DaemonProbe {

    /// Ten times as long as the test waits, so that no quick stop looks like a drain.
    private static final Duration DRAIN = Eventually.TIMEOUT.multipliedBy(10);

    private DaemonProbe() {}

    public static void main(String[] arguments) throws InterruptedException {
        List<String> words = List.of(arguments);
        var daemon =
                new Daemon("probe", words.contains("short-drain") ? Duration.ofSeconds(1) : DRAIN);
        daemon.own(() -> print("first closed"));
        daemon.atEnd(
                reason -> {
                    if (words.contains("hang")) {
                        hang();
                    }
                    if (words.contains("drain") && reason.drains()) {
                        print("draining");
                        Thread.sleep(DRAIN.plus(DRAIN));
                    }
                    print("second closed " + reason);
                });
        daemon.own(
                () -> {
                    if (words.contains("fail")) {
                        throw new IllegalStateException("cannot close");
                    }
                });
        if (words.contains("parent-pipe")) {
            daemon.obeyParent();
        }
        if (words.contains("slow-start")) {
            print("ready");
            hang();
        }
        if (words.contains("unfinished")) {
            daemon.atEnd(_ -> daemon.endWith(ExitCode.UNFINISHED));
        }
        if (words.contains("thread-dies")) {
            Thread.ofVirtual().start(DaemonProbe::fail).join();
            print("ready");
            Thread.ofPlatform().name("keeper").start(DaemonProbe::fail);
        }
        if (words.contains("log")) {
            for (int i = 0; i < 1000; i++) {
                LogManager.getLogger(DaemonProbe.class).warn("line {} {}", i, "x".repeat(100));
            }
        }
        if (words.contains("exit")) {
            daemon.exitWith(7);
        }
        if (words.contains("system-exit")) {
            print("ready");
            System.exit(5);
        }
        print("ready");
        daemon.run();
    }

    private static void fail() {
        throw new IllegalStateException("no more");
    }

    private static void hang() {
        var never = new CountDownLatch(1);
        while (true) {
            try {
                never.await();
            } catch (InterruptedException e) {
                print("interrupted");
            }
        }
    }

    private static void print(String line) {
        System.out.println(line);
    }
}
