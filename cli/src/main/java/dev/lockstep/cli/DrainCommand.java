// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.cluster.process.SettingsSpec;
import dev.lockstep.proto.v1.AdminGrpc;
import dev.lockstep.proto.v1.DrainState;
import dev.lockstep.proto.v1.DrainTarget;
import java.time.Duration;
import java.util.List;

/// Takes a group or a coordinator of a running cluster out of service, or brings it back.
final class DrainCommand extends Command {
    private static final Duration DEADLINE = Duration.ofSeconds(10);

    private static final Key<Boolean> UNDO = Key.flag("undo", "bring it back");

    private static final Key<Boolean> STATE = Key.flag("state", "only say what its state is");

    private static final SettingsSpec SPEC =
            SettingsSpec.of(
                            AskedCoordinator.COORDINATOR,
                            AskedCoordinator.API_KEY,
                            AskedCoordinator.ADMIN_KEY,
                            UNDO,
                            STATE)
                    .takingArguments("GROUP|ADDRESS");

    DrainCommand() {
        super(
                "drain",
                "[--key=value …] GROUP|ADDRESS",
                "take a group or a coordinator out of service, or bring it back",
                SPEC);
    }

    @Override
    int run(List<String> arguments) {
        Settings settings = settings(arguments);
        if (settings.arguments().size() != 1) {
            throw new SettingsException("name one group, or the address of one member");
        }
        System.out.println(
                line(AskedCoordinator.ask(settings, DEADLINE, admin -> ask(admin, settings))));
        return ExitCode.OK;
    }

    private static DrainState ask(AdminGrpc.AdminBlockingStub admin, Settings settings) {
        DrainTarget target = target(settings.arguments().getFirst());
        if (settings.value(STATE)) {
            return admin.drainStatus(target);
        }
        return settings.value(UNDO) ? admin.undrain(target) : admin.drain(target);
    }

    /// Names of groups have no such characters, addresses do.
    private static DrainTarget target(String word) {
        boolean address = word.contains(":") || word.contains("/");
        return address
                ? DrainTarget.newBuilder().setMember(word).build()
                : DrainTarget.newBuilder().setGroup(word).build();
    }

    static String line(DrainState state) {
        if (state.getDrained()) {
            return "drained";
        }
        String open = state.getOpen() + " open";
        return state.getDraining() ? "draining, " + open : "in service, " + open;
    }
}
