// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import io.grpc.EquivalentAddressGroup;
import io.grpc.NameResolver;
import io.grpc.NameResolverProvider;
import io.grpc.NameResolverRegistry;
import io.grpc.StatusOr;
import java.net.SocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Collection;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Names of Unix sockets for gRPC, which takes an address only in a URI of its own making and
/// refuses paths with letters outside ASCII there: the path in hexadecimal digits.
final class SocketResolver extends NameResolverProvider {
    private static final String SCHEME = "lockstep-socket";

    static {
        NameResolverRegistry.getDefaultRegistry().register(new SocketResolver());
    }

    private SocketResolver() {}

    /// Returns the target of channels to a socket.
    static String target(Path socket) {
        byte[] path = socket.toString().getBytes(StandardCharsets.UTF_8);
        return SCHEME + ":///" + HexFormat.of().formatHex(path);
    }

    @Override
    public @Nullable NameResolver newNameResolver(URI target, NameResolver.Args arguments) {
        if (!SCHEME.equals(target.getScheme())) {
            return null;
        }
        byte[] path = HexFormat.of().parseHex(target.getPath().substring(1));
        return new Resolved(
                SocketIo.unixAddress(Path.of(new String(path, StandardCharsets.UTF_8))));
    }

    @Override
    public String getDefaultScheme() {
        return SCHEME;
    }

    @Override
    public Collection<Class<? extends SocketAddress>> getProducedSocketAddressTypes() {
        return Set.of(SocketIo.unixAddressType());
    }

    @Override
    protected boolean isAvailable() {
        return true;
    }

    /// Below the default, which other schemes have.
    @Override
    protected int priority() {
        return 4;
    }

    /// The one address of a target.
    private static final class Resolved extends NameResolver {
        private final SocketAddress address;

        Resolved(SocketAddress address) {
            this.address = address;
        }

        @Override
        public String getServiceAuthority() {
            return "localhost";
        }

        @Override
        public void start(Listener2 listener) {
            listener.onResult(
                    ResolutionResult.newBuilder()
                            .setAddressesOrError(
                                    StatusOr.fromValue(
                                            List.of(new EquivalentAddressGroup(address))))
                            .build());
        }

        @Override
        public void shutdown() {}
    }
}
