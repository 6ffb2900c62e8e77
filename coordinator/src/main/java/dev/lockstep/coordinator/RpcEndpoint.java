// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.linecorp.armeria.common.HttpRequest;
import com.linecorp.armeria.common.HttpResponse;
import com.linecorp.armeria.common.grpc.GrpcSerializationFormats;
import com.linecorp.armeria.server.HttpServiceWithRoutes;
import com.linecorp.armeria.server.Route;
import com.linecorp.armeria.server.ServiceConfig;
import com.linecorp.armeria.server.ServiceRequestContext;
import com.linecorp.armeria.server.grpc.GrpcService;
import com.linecorp.armeria.server.grpc.GrpcServiceBuilder;
import io.grpc.BindableService;
import io.grpc.ServerMethodDefinition;
import io.grpc.Status;
import io.grpc.protobuf.services.ProtoReflectionServiceV1;
import io.grpc.reflection.v1.ServerReflectionGrpc;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// The gRPC services, created after the server listens: at the end of the start-up, or at the first
/// call.
///
/// The framework's gRPC support generates classes for JSON, which are not used here, and that takes
/// longer than the rest of the server's start. The first call waits for it, off the event loop.
final class RpcEndpoint implements HttpServiceWithRoutes {
    /// The older name of the reflection service, whose messages are the same; many clients know
    /// only this one.
    private static final String OLD_REFLECTION = "/grpc.reflection.v1alpha.ServerReflection";

    private static final String REFLECTION = "/" + ServerReflectionGrpc.SERVICE_NAME + "/";

    /// The limit of the bytes of the requests of one reflection call.
    private static final int MAX_REFLECTION_BYTES = 1 << 20;

    private final List<BindableService> services;
    private final int maxBytes;
    private final RequestMemory memory;
    private final Executor threads;
    private final Set<Route> routes;

    // Guarded by this.
    private Optional<ServiceConfig> config = Optional.empty();
    private Optional<CompletableFuture<Services>> created = Optional.empty();

    /// Set before it is added to the server, because reflection looks it up at that time.
    private volatile @Nullable GrpcService built;

    /// The framework accepts one reflection service only, so the other name has its own.
    private record Services(GrpcService all, GrpcService oldReflection) {
        GrpcService of(ServiceRequestContext context) {
            return isOldReflection(context) ? oldReflection : all;
        }
    }

    /// @param maxBytes the maximum size of a message
    /// @param memory the memory for messages that are being checked
    RpcEndpoint(
            List<BindableService> services, int maxBytes, RequestMemory memory, Executor threads) {
        this.services = List.copyOf(services);
        this.maxBytes = maxBytes;
        this.memory = memory;
        this.threads = threads;
        // The same routes as the framework's, which finds the method by its route.
        this.routes =
                Stream.concat(
                                services.stream()
                                        .flatMap(each -> each.bindService().getMethods().stream())
                                        .map(ServerMethodDefinition::getMethodDescriptor)
                                        .map(method -> "/" + method.getFullMethodName()),
                                Stream.of(OLD_REFLECTION + "/ServerReflectionInfo"))
                        .map(path -> Route.builder().exact(path).build())
                        .collect(Collectors.toUnmodifiableSet());
    }

    @Override
    public Set<Route> routes() {
        return routes;
    }

    @Override
    public synchronized void serviceAdded(ServiceConfig added) {
        config = Optional.of(added);
    }

    @Override
    public HttpResponse serve(ServiceRequestContext context, HttpRequest request) throws Exception {
        VanishedClients.watchRpc(context);
        CompletableFuture<Services> service = created();
        if (service.isDone()) {
            return service.join().of(context).serve(context, bounded(context, request));
        }
        return HttpResponse.of(
                service.thenApplyAsync(
                        ready -> serve(ready, context, request), context.eventLoop()));
    }

    /// Creates the services in the background, unless they exist already.
    void warmUp() {
        var _ = created();
    }

    /// Lets reflection find the wrapped services.
    @Override
    public <T> @Nullable T as(Class<T> type) {
        GrpcService inner = built;
        return inner == null || type.isInstance(this)
                ? HttpServiceWithRoutes.super.as(type)
                : inner.as(type);
    }

    private static HttpResponse serve(
            Services services, ServiceRequestContext context, HttpRequest request) {
        try {
            return services.of(context).serve(context, bounded(context, request));
        } catch (Exception e) {
            return HttpResponse.ofFailure(e);
        }
    }

    private static boolean isReflection(BindableService service) {
        return service instanceof ProtoReflectionServiceV1;
    }

    /// Limits the bytes of a reflection call. Its messages are small, so their memory is not
    /// estimated.
    private static HttpRequest bounded(ServiceRequestContext context, HttpRequest request) {
        if (!context.path().startsWith(REFLECTION) && !isOldReflection(context)) {
            return request;
        }
        var received = new AtomicLong();
        return request.mapData(
                data -> {
                    if (received.addAndGet(data.length()) > MAX_REFLECTION_BYTES) {
                        data.close();
                        throw Status.RESOURCE_EXHAUSTED
                                .withDescription(
                                        "reflection accepts at most "
                                                + MAX_REFLECTION_BYTES
                                                + " bytes")
                                .asRuntimeException();
                    }
                    return data;
                });
    }

    private static boolean isOldReflection(ServiceRequestContext context) {
        return context.path().startsWith(OLD_REFLECTION);
    }

    private synchronized CompletableFuture<Services> created() {
        CompletableFuture<Services> service =
                created.orElseGet(() -> CompletableFuture.supplyAsync(this::create, threads));
        created = Optional.of(service);
        return service;
    }

    private Services create() {
        GrpcServiceBuilder builder =
                GrpcService.builder()
                        .supportedSerializationFormats(GrpcSerializationFormats.PROTO)
                        .maxRequestMessageLength(maxBytes);
        for (BindableService service : services) {
            if (isReflection(service)) {
                // The framework recognises it by its class, so it must not be wrapped.
                builder.addService(service);
            } else {
                builder.addService(RpcWeighing.of(service, memory));
            }
        }
        GrpcService all = builder.build();
        built = all;
        GrpcService oldReflection =
                GrpcService.builder()
                        .supportedSerializationFormats(GrpcSerializationFormats.PROTO)
                        .addService(OLD_REFLECTION, ProtoReflectionServiceV1.newInstance())
                        .build();
        try {
            all.serviceAdded(added());
            oldReflection.serviceAdded(added());
        } catch (Exception e) {
            throw new IllegalStateException("the gRPC services cannot be added", e);
        }
        return new Services(all, oldReflection);
    }

    private synchronized ServiceConfig added() {
        return config.orElseThrow();
    }
}
