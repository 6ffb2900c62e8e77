// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.Eventually;
import dev.lockstep.proto.v1.AdminGrpc;
import dev.lockstep.proto.v1.ClusterStatusRequest;
import dev.lockstep.proto.v1.ClusterStatusResponse;
import io.grpc.CallOptions;
import io.grpc.MethodDescriptor;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.reflection.v1.ServerReflectionGrpc;
import io.grpc.reflection.v1.ServerReflectionRequest;
import io.grpc.reflection.v1.ServerReflectionResponse;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.StreamObserver;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Tests of the services beside inference: state of the cluster, health and reflection.
final class RpcServicesTest {
    private static TestCoordinator tiny;
    private static RpcClient client;

    @BeforeAll
    static void start() throws Exception {
        tiny = TestCoordinator.start();
        client = new RpcClient(tiny);
    }

    @AfterAll
    static void stop() {
        client.close();
        tiny.close();
    }

    @Test
    void theClusterStatusListsGroupsAndMembers() {
        ClusterStatusResponse status =
                AdminGrpc.newBlockingStub(client.channel())
                        .clusterStatus(ClusterStatusRequest.getDefaultInstance());
        assertTrue(status.getReady());
        assertEquals("default", status.getGroups(0).getGroup());
        assertEquals(1, status.getGroups(0).getRanksCount());
        assertEquals(2, status.getMembersCount());
    }

    @Test
    void healthFollowsReadiness() throws Exception {
        awaitHealth(ServingStatus.SERVING);
        tiny.scheduler.ready(false);
        tiny.awaitReady(false);
        awaitHealth(ServingStatus.NOT_SERVING);
        tiny.scheduler.ready(true);
        tiny.awaitReady(true);
    }

    /// Probes know it a moment before it is published.
    private static void awaitHealth(ServingStatus expected) throws Exception {
        HealthGrpc.HealthBlockingStub health = HealthGrpc.newBlockingStub(client.channel());
        HealthCheckRequest all = HealthCheckRequest.getDefaultInstance();
        Eventually.await("health is " + expected, () -> health.check(all).getStatus() == expected);
    }

    @ParameterizedTest
    @ValueSource(strings = {"grpc.reflection.v1", "grpc.reflection.v1alpha"})
    void reflectionListsTheServicesUnderBothOfItsNames(String name) throws Exception {
        MethodDescriptor<ServerReflectionRequest, ServerReflectionResponse> method =
                ServerReflectionGrpc.getServerReflectionInfoMethod().toBuilder()
                        .setFullMethodName(name + ".ServerReflection/ServerReflectionInfo")
                        .build();
        CompletableFuture<ServerReflectionResponse> result = new CompletableFuture<>();
        StreamObserver<ServerReflectionRequest> requests =
                ClientCalls.asyncBidiStreamingCall(
                        client.channel().newCall(method, CallOptions.DEFAULT),
                        new StreamObserver<>() {
                            @Override
                            public void onNext(ServerReflectionResponse response) {
                                result.complete(response);
                            }

                            @Override
                            public void onError(Throwable failure) {
                                result.completeExceptionally(failure);
                            }

                            @Override
                            public void onCompleted() {}
                        });
        requests.onNext(ServerReflectionRequest.newBuilder().setListServices("").build());
        List<String> names =
                result
                        .get(Eventually.TIMEOUT.toSeconds(), TimeUnit.SECONDS)
                        .getListServicesResponse()
                        .getServiceList()
                        .stream()
                        .map(service -> service.getName())
                        .toList();
        requests.onCompleted();
        assertTrue(names.contains("lockstep.v1.Inference"), names.toString());
        assertTrue(names.contains("lockstep.v1.Admin"), names.toString());
        assertTrue(names.contains("grpc.health.v1.Health"), names.toString());
    }
}
