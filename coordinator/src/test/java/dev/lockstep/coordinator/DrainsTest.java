// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.Eventually;
import dev.lockstep.cluster.Member;
import dev.lockstep.proto.v1.AdminGrpc;
import dev.lockstep.proto.v1.DrainState;
import dev.lockstep.proto.v1.DrainTarget;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.net.http.HttpResponse;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;

/// Tests of drains by an operator, over gRPC.
final class DrainsTest {
    private static final String CHAT = "/v1/chat/completions";

    private static DrainTarget group(String name) {
        return DrainTarget.newBuilder().setGroup(name).build();
    }

    private static DrainTarget member(String address) {
        return DrainTarget.newBuilder().setMember(address).build();
    }

    private static String address(TestCoordinator tiny, Member.Role role) {
        return tiny.cluster.membership().snapshot().members(role).getFirst().address().toString();
    }

    @Test
    void aDrainedGroupGetsNoNewRequestsAndItsRunningOnesFinish() throws Exception {
        try (TestCoordinator tiny = TestCoordinator.start();
                var client = new RpcClient(tiny);
                var raw = new RawConnection(tiny.coordinator.port())) {
            AdminGrpc.AdminBlockingStub admin = AdminGrpc.newBlockingStub(client.channel());
            var resume = new CountDownLatch(1);
            tiny.scheduler.behave(
                    call -> {
                        call.oneByOne(0, tiny.ids("Hello"));
                        resume.await();
                        call.finishByLength(0);
                    });
            raw.post(CHAT, TestCoordinator.chatBody("\"stream\":true"));
            raw.readUntil("Hel");
            assertTrue(admin.drain(group("default")).getDraining());
            tiny.awaitReady(false);
            HttpResponse<String> refused = tiny.post(CHAT, TestCoordinator.chatBody(""));
            assertEquals(503, refused.statusCode());
            Eventually.await("drained", () -> admin.drainStatus(group("default")).getDrained());
            resume.countDown();
            assertTrue(raw.readChunkedBody().contains("[DONE]"));
            // A worker or a scheduler stands for its group.
            String scheduler = address(tiny, Member.Role.SCHEDULER);
            assertFalse(admin.undrain(member(scheduler)).getDraining());
            tiny.awaitReady(true);
            assertFalse(admin.drainStatus(group("default")).getDraining());
        }
    }

    /// A draining group accepts what it had accepted, and there may be no other.
    @Test
    void aRequestOfADrainedGroupWhoseConnectionBreaksGoesOnThere() throws Exception {
        try (TestCoordinator tiny = TestCoordinator.start();
                var client = new RpcClient(tiny);
                var raw = new RawConnection(tiny.coordinator.port())) {
            AdminGrpc.AdminBlockingStub admin = AdminGrpc.newBlockingStub(client.channel());
            var drained = new CountDownLatch(1);
            tiny.scheduler.behave(
                    call -> {
                        call.accept();
                        if (call.request().getCommittedCount() == 0) {
                            call.oneByOne(0, tiny.ids("Hello"));
                            drained.await();
                            call.fail(Status.UNAVAILABLE);
                            return;
                        }
                        call.oneByOne(0, tiny.ids(" world"));
                        call.finishByLength(0);
                    });
            raw.post(CHAT, TestCoordinator.chatBody("\"stream\":true"));
            raw.readUntil("Hel");
            admin.drain(group("default"));
            tiny.awaitReady(false);
            drained.countDown();
            String rest = raw.readChunkedBody();
            assertTrue(rest.contains("wor") && rest.contains("[DONE]"), rest);
            assertEquals(503, tiny.post(CHAT, TestCoordinator.chatBody("")).statusCode());
        }
    }

    @Test
    void aDrainedCoordinatorIsNotReadyAndServesOn() throws Exception {
        try (TestCoordinator tiny = TestCoordinator.start();
                var client = new RpcClient(tiny);
                var raw = new RawConnection(tiny.coordinator.port())) {
            AdminGrpc.AdminBlockingStub admin = AdminGrpc.newBlockingStub(client.channel());
            String own = address(tiny, Member.Role.COORDINATOR);
            DrainState state = admin.drain(member(own));
            assertTrue(state.getDraining() && state.getDrained(), state::toString);
            assertEquals(503, tiny.get("/readyz").statusCode());
            tiny.generate("there");
            raw.post(CHAT, TestCoordinator.chatBody(""));
            String served = raw.readAll();
            assertTrue(served.startsWith("HTTP/1.1 200"), served);
            assertTrue(served.contains("connection: close\r\n"), served);
            assertFalse(admin.undrain(member(own)).getDraining());
            tiny.awaitReady(true);
            assertFalse(admin.drainStatus(member(own)).getDraining());
        }
    }

    @Test
    void aTargetThatIsNotThereIsRefused() throws Exception {
        try (TestCoordinator tiny = TestCoordinator.start();
                var client = new RpcClient(tiny)) {
            Member another = Member.coordinator("127.0.0.1", 1, "0123456789abcdef0123456789abcdef");
            tiny.cluster.another(Runnable::run).register(another);
            AdminGrpc.AdminBlockingStub admin = AdminGrpc.newBlockingStub(client.channel());
            assertRefused(
                    Status.Code.NOT_FOUND, "no group is named nowhere", admin, group("nowhere"));
            assertRefused(Status.Code.NOT_FOUND, "no member is at h:1", admin, member("h:1"));
            assertRefused(
                    Status.Code.INVALID_ARGUMENT,
                    "name a group or a member",
                    admin,
                    DrainTarget.getDefaultInstance());
            assertRefused(
                    Status.Code.FAILED_PRECONDITION,
                    "another coordinator is at 127.0.0.1:1: ask that one",
                    admin,
                    member("127.0.0.1:1"));
        }
    }

    private static void assertRefused(
            Status.Code code,
            String description,
            AdminGrpc.AdminBlockingStub admin,
            DrainTarget target) {
        StatusRuntimeException refused =
                assertThrows(StatusRuntimeException.class, () -> admin.drain(target));
        assertEquals(code, refused.getStatus().getCode());
        assertEquals(description, refused.getStatus().getDescription());
    }
}
