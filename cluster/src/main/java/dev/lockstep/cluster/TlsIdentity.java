// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import dev.lockstep.cluster.process.SettingsException;
import io.grpc.Grpc;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.netty.GrpcSslContexts;
import io.netty.handler.ssl.ClientAuth;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import java.io.IOException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateParsingException;
import java.security.cert.X509Certificate;
import java.util.Collection;
import java.util.List;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLSession;
import javax.net.ssl.TrustManagerFactory;
import org.jspecify.annotations.Nullable;

/// The certificate of one process, and the cluster's own authority that signed it. A peer shows a
/// certificate of the same authority whose name says that it has the expected role.
final class TlsIdentity {
    private static final String PROTOCOL = "TLSv1.3";

    private final Member.Role role;
    private final KeyManagerFactory keys;
    private final TrustManagerFactory trust;

    private TlsIdentity(Member.Role role, KeyManagerFactory keys, TrustManagerFactory trust) {
        this.role = role;
        this.keys = keys;
        this.trust = trust;
    }

    /// Reads the files that `lockstep certificates` wrote.
    static TlsIdentity read(Path folder, Member.Role role) {
        Path file = folder.resolve(ClusterCertificates.fileName(role));
        SecretFile.requirePrivate(file, "--tls-folder");
        try {
            KeyStore store =
                    KeyStore.getInstance(file.toFile(), ClusterCertificates.PASSWORD.toCharArray());
            KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
            keys.init(store, ClusterCertificates.PASSWORD.toCharArray());
            TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
            trust.init(store);
            return new TlsIdentity(role, keys, trust);
        } catch (IOException | GeneralSecurityException e) {
            throw new SettingsException(
                    "--tls-folder: %s is not a key store of lockstep certificates: %s"
                            .formatted(file, e.getMessage()));
        }
    }

    SslContext server() throws SSLException {
        return GrpcSslContexts.configure(SslContextBuilder.forServer(keys), SslProvider.JDK)
                .trustManager(trust)
                .clientAuth(ClientAuth.REQUIRE)
                .protocols(PROTOCOL)
                .build();
    }

    SslContext client() {
        try {
            return GrpcSslContexts.configure(SslContextBuilder.forClient(), SslProvider.JDK)
                    .keyManager(keys)
                    .trustManager(trust)
                    .protocols(PROTOCOL)
                    .build();
        } catch (SSLException e) {
            throw new IllegalStateException("the keys were usable at the start", e);
        }
    }

    /// Refuses calls of every role but the one that calls this process.
    ServerInterceptor callers() {
        Member.Role caller =
                switch (role) {
                    case WORKER -> Member.Role.SCHEDULER;
                    case SCHEDULER, COORDINATOR -> Member.Role.COORDINATOR;
                };
        return new Callers(ClusterCertificates.name(caller));
    }

    private record Callers(String name) implements ServerInterceptor {
        @Override
        public <Q, R> ServerCall.Listener<Q> interceptCall(
                ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
            if (isCertified(call.getAttributes().get(Grpc.TRANSPORT_ATTR_SSL_SESSION))) {
                return next.startCall(call, headers);
            }
            call.close(
                    Status.PERMISSION_DENIED.withDescription(
                            "the caller's certificate is not that of " + name),
                    new Metadata());
            return new ServerCall.Listener<>() {};
        }

        private boolean isCertified(@Nullable SSLSession session) {
            try {
                if (session == null
                        || !(session.getPeerCertificates()[0] instanceof X509Certificate peer)) {
                    return false;
                }
                Collection<List<?>> names = peer.getSubjectAlternativeNames();
                return names != null && names.stream().anyMatch(each -> name.equals(each.get(1)));
            } catch (SSLPeerUnverifiedException | CertificateParsingException e) {
                return false;
            }
        }
    }
}
