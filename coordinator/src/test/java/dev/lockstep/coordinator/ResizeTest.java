// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.proto.v1.AdminGrpc;
import dev.lockstep.proto.v1.ResizeRequest;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import org.junit.jupiter.api.Test;

/// Another number of ranks, asked for over gRPC.
final class ResizeTest {
    private static ResizeRequest request(String group, int ranks) {
        return ResizeRequest.newBuilder().setGroup(group).setRanks(ranks).build();
    }

    @Test
    void theLeaderOfTheGroupIsAskedAndMayRefuse() throws Exception {
        try (TestCoordinator tiny = TestCoordinator.start();
                var client = new RpcClient(tiny)) {
            AdminGrpc.AdminBlockingStub admin = AdminGrpc.newBlockingStub(client.channel());
            var _ = admin.resize(request("default", 4));
            assertEquals(4, tiny.scheduler.status().getRanksCount());
            assertRefused(
                    Status.Code.FAILED_PRECONDITION,
                    "no shard has less than one of 8 heads",
                    admin,
                    request("default", 9));
            assertEquals(4, tiny.scheduler.status().getRanksCount());
            assertRefused(
                    Status.Code.NOT_FOUND,
                    "no group is named nowhere",
                    admin,
                    request("nowhere", 2));
        }
    }

    private static void assertRefused(
            Status.Code code,
            String description,
            AdminGrpc.AdminBlockingStub admin,
            ResizeRequest request) {
        StatusRuntimeException refused =
                assertThrows(StatusRuntimeException.class, () -> admin.resize(request));
        assertEquals(code, refused.getStatus().getCode());
        assertEquals(description, refused.getStatus().getDescription());
    }
}
