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
import org.jspecify.annotations.Nullable;

/// The gRPC services, made after the server listens: when there is time, or when the first call
/// comes.
///
/// The framework's gRPC support generates classes for JSON that nobody here asks for, and that
/// takes longer than the rest of the server's start. The first call waits for it, off the event
/// loop.
final class RpcEndpoint implements HttpServiceWithRoutes {
    private static final String REFLECTION = "/" + ServerReflectionGrpc.SERVICE_NAME + "/";

    /// Bytes of the requests of one call.
    private static final int MOST_OF_REFLECTION = 1 << 20;

    private final List<BindableService> services;
    private final int mostBytes;
    private final RequestMemory memory;
    private final Executor threads;
    private final Set<Route> routes;

    // Guarded by this.
    private Optional<ServiceConfig> config = Optional.empty();
    private Optional<CompletableFuture<GrpcService>> made = Optional.empty();

    /// Set before it is added, for then reflection looks for it.
    private volatile @Nullable GrpcService built;

    /// @param mostBytes the largest message that is read
    /// @param memory room for messages that are being checked
    RpcEndpoint(
            List<BindableService> services, int mostBytes, RequestMemory memory, Executor threads) {
        this.services = List.copyOf(services);
        this.mostBytes = mostBytes;
        this.memory = memory;
        this.threads = threads;
        // The same routes as the framework makes of the methods: by them it finds the method.
        this.routes =
                services.stream()
                        .flatMap(service -> service.bindService().getMethods().stream())
                        .map(method -> method.getMethodDescriptor().getFullMethodName())
                        .map(name -> Route.builder().exact("/" + name).build())
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
        CompletableFuture<GrpcService> service = made();
        if (service.isDone()) {
            return service.join().serve(context, bounded(context, request));
        }
        return HttpResponse.of(
                service.thenApplyAsync(
                        ready -> serve(ready, context, request), context.eventLoop()));
    }

    /// Makes the services in the background, unless they are made already.
    void prepare() {
        var _ = made();
    }

    /// Lets reflection find the services behind this.
    @Override
    public <T> @Nullable T as(Class<T> type) {
        GrpcService inner = built;
        return inner == null || type.isInstance(this)
                ? HttpServiceWithRoutes.super.as(type)
                : inner.as(type);
    }

    private static HttpResponse serve(
            GrpcService service, ServiceRequestContext context, HttpRequest request) {
        try {
            return service.serve(context, bounded(context, request));
        } catch (Exception e) {
            return HttpResponse.ofFailure(e);
        }
    }

    private static boolean isReflection(BindableService service) {
        return service instanceof ProtoReflectionServiceV1;
    }

    /// Reflection is asked for names: its messages are small, and so are not weighed.
    private static HttpRequest bounded(ServiceRequestContext context, HttpRequest request) {
        if (!context.path().startsWith(REFLECTION)) {
            return request;
        }
        AtomicLong seen = new AtomicLong();
        return request.mapData(
                data -> {
                    if (seen.addAndGet(data.length()) > MOST_OF_REFLECTION) {
                        data.close();
                        throw Status.RESOURCE_EXHAUSTED
                                .withDescription(
                                        "reflection reads at most " + MOST_OF_REFLECTION + " bytes")
                                .asRuntimeException();
                    }
                    return data;
                });
    }

    private synchronized CompletableFuture<GrpcService> made() {
        CompletableFuture<GrpcService> service =
                made.orElseGet(() -> CompletableFuture.supplyAsync(this::make, threads));
        made = Optional.of(service);
        return service;
    }

    private GrpcService make() {
        GrpcServiceBuilder builder =
                GrpcService.builder()
                        .supportedSerializationFormats(GrpcSerializationFormats.PROTO)
                        .maxRequestMessageLength(mostBytes);
        for (BindableService service : services) {
            if (isReflection(service)) {
                // The framework knows it by its class.
                builder.addService(service);
            } else {
                builder.addService(RpcWeighing.of(service, memory));
            }
        }
        GrpcService service = builder.build();
        built = service;
        try {
            service.serviceAdded(added());
        } catch (Exception e) {
            throw new IllegalStateException("the gRPC services cannot be added", e);
        }
        return service;
    }

    private synchronized ServiceConfig added() {
        return config.orElseThrow();
    }
}
