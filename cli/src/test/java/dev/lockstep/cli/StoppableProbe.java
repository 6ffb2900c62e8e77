// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.cluster.process.Daemon;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.SettingsException;
import java.time.Duration;

/// The process that [StoppableTest] stops; prints what happens to its work.
final class StoppableProbe {
    private StoppableProbe() {}

    public static void main(String[] words) {
        var daemon = new Daemon("probe", Duration.ofSeconds(10));
        daemon.own(() -> System.out.println("closed"));
        Stoppable.run(
                daemon,
                "probe",
                () -> {
                    switch (words[0]) {
                        case "fail" -> throw new SettingsException("--key: wrong");
                        case "finish" -> daemon.exitWith(ExitCode.OK);
                        default -> waitForever();
                    }
                });
    }

    private static void waitForever() throws InterruptedException {
        try {
            System.out.println("ready");
            Thread.sleep(Duration.ofMinutes(1));
        } finally {
            System.out.println("cleaned");
        }
    }
}
