// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.cluster.process.SettingsSpec;
import dev.lockstep.scheduler.process.Replay;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/// Replays a recording of a scheduler, without workers, and reports whether the plans are the same.
final class ReplayCommand extends Command {
    private static final SettingsSpec SPEC = SettingsSpec.of().takingArguments("FILE");

    ReplayCommand() {
        super(
                "replay",
                "FILE",
                "run a scheduler again from a recording (--record), without workers",
                SPEC);
    }

    @Override
    int run(List<String> arguments) throws IOException {
        Settings settings = settings(arguments);
        if (settings.arguments().size() != 1) {
            throw new SettingsException("name one recording: lockstep replay FILE");
        }
        Replay.Report report = Replay.of(Path.of(settings.arguments().getFirst()));
        System.out.printf(
                "%d groups, %d requests, %d steps of %d tokens, %.3f s computed%n",
                report.groups(),
                report.requests(),
                report.plans(),
                report.tokens(),
                report.computeMicros() / 1e6);
        if (report.differences().isEmpty()) {
            System.out.println("every plan is the recorded one");
            return ExitCode.OK;
        }
        report.differences().forEach(System.out::println);
        return ExitCode.FAILED;
    }
}
