// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.client.LockstepClient;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.cluster.process.SettingsSpec;
import dev.lockstep.coordinator.ApiKeys;
import dev.lockstep.proto.v1.AdminGrpc;
import dev.lockstep.proto.v1.DrainState;
import dev.lockstep.proto.v1.DrainTarget;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// Takes a group or a coordinator of a running cluster out of service, or brings it back.
final class DrainCommand extends Command {
    private static final int DEADLINE_SECONDS = 10;

    private static final Key<String> COORDINATOR =
            Key.text("coordinator", "HOST:PORT", "the coordinator to ask").orElse("127.0.0.1:8000");

    private static final Key<String> API_KEY =
            Key.secret(ApiKeys.API_KEY.name(), "KEY", "the key of the server, if it needs one");

    private static final Key<String> ADMIN_KEY =
            Key.secret(
                    ApiKeys.ADMIN_KEY.name(), "KEY", "the admin key of the server, if it has one");

    private static final Key<Boolean> UNDO = Key.flag("undo", "bring it back");

    private static final Key<Boolean> STATE = Key.flag("state", "only say what its state is");

    private static final SettingsSpec SPEC =
            SettingsSpec.of(COORDINATOR, API_KEY, ADMIN_KEY, UNDO, STATE)
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
        String coordinator = settings.value(COORDINATOR);
        ManagedChannel channel = NettyChannelBuilder.forTarget(coordinator).usePlaintext().build();
        try {
            AdminGrpc.AdminBlockingStub admin =
                    AdminGrpc.newBlockingStub(channel)
                            .withInterceptors(
                                    LockstepClient.authorization(
                                            settings.find(ADMIN_KEY)
                                                    .or(() -> settings.find(API_KEY))
                                                    .orElse("")))
                            .withDeadlineAfter(DEADLINE_SECONDS, TimeUnit.SECONDS);
            System.out.println(line(ask(admin, settings)));
            return ExitCode.OK;
        } catch (StatusRuntimeException e) {
            String why = e.getStatus().getDescription();
            throw new UnusableException(
                    "the coordinator at %s: %s"
                            .formatted(coordinator, why == null ? e.getStatus().getCode() : why));
        } finally {
            channel.shutdownNow();
        }
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
