// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.client.LockstepClient;
import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.coordinator.ApiKeys;
import dev.lockstep.proto.v1.AdminGrpc;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/// The coordinator of a running cluster that a command of an operator asks.
final class AskedCoordinator {
    static final Key<String> COORDINATOR =
            Key.text("coordinator", "HOST:PORT", "the coordinator to ask").orElse("127.0.0.1:8000");

    static final Key<String> API_KEY =
            Key.secret(ApiKeys.API_KEY.name(), "KEY", "the key of the server, if it needs one");

    static final Key<String> ADMIN_KEY =
            Key.secret(
                    ApiKeys.ADMIN_KEY.name(), "KEY", "the admin key of the server, if it has one");

    private AskedCoordinator() {}

    /// Asks something.
    ///
    /// @throws UnusableException with what the coordinator says, if it refuses
    static <T> T ask(
            Settings settings,
            Duration deadline,
            Function<AdminGrpc.AdminBlockingStub, T> question) {
        String coordinator = settings.value(COORDINATOR);
        ManagedChannel channel = NettyChannelBuilder.forTarget(coordinator).usePlaintext().build();
        try {
            return question.apply(
                    AdminGrpc.newBlockingStub(channel)
                            .withInterceptors(
                                    LockstepClient.authorization(
                                            settings.find(ADMIN_KEY)
                                                    .or(() -> settings.find(API_KEY))
                                                    .orElse("")))
                            .withDeadlineAfter(deadline.toMillis(), TimeUnit.MILLISECONDS));
        } catch (StatusRuntimeException e) {
            String why = e.getStatus().getDescription();
            throw new UnusableException(
                    "the coordinator at %s: %s"
                            .formatted(coordinator, why == null ? e.getStatus().getCode() : why));
        } finally {
            channel.shutdownNow();
        }
    }
}
