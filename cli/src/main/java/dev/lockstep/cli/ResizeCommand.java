// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.cluster.process.SettingsSpec;
import dev.lockstep.proto.v1.ResizeRequest;
import java.time.Duration;
import java.util.List;

/// Gives a group of a running cluster another number of ranks.
final class ResizeCommand extends Command {
    private static final Duration DEADLINE = Duration.ofMinutes(15);

    private static final Key<Integer> RANKS =
            Key.integer(
                    "ranks", 1, ProcessKeys.MAX_RANKS, "ranks that share one copy of the model");

    private static final SettingsSpec SPEC =
            SettingsSpec.of(
                            RANKS,
                            AskedCoordinator.COORDINATOR,
                            AskedCoordinator.API_KEY,
                            AskedCoordinator.ADMIN_KEY)
                    .takingArguments("GROUP");

    ResizeCommand() {
        super(
                "resize",
                "--ranks=NUMBER [--key=value …] GROUP",
                "give a group another number of ranks; its requests go on",
                SPEC);
    }

    @Override
    int run(List<String> arguments) {
        Settings settings = settings(arguments);
        if (settings.arguments().size() != 1) {
            throw new SettingsException("name one group");
        }
        int ranks = settings.value(RANKS);
        ResizeRequest request =
                ResizeRequest.newBuilder()
                        .setGroup(settings.arguments().getFirst())
                        .setRanks(ranks)
                        .build();
        var _ = AskedCoordinator.ask(settings, DEADLINE, admin -> admin.resize(request));
        System.out.println(ranks == 1 ? "1 rank" : ranks + " ranks");
        return ExitCode.OK;
    }
}
