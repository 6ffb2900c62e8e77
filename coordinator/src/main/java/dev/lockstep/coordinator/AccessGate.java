// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static java.util.Objects.requireNonNullElse;

import com.linecorp.armeria.common.HttpHeaderNames;
import com.linecorp.armeria.common.HttpMethod;
import com.linecorp.armeria.common.HttpRequest;
import com.linecorp.armeria.common.HttpResponse;
import com.linecorp.armeria.common.HttpResponseWriter;
import com.linecorp.armeria.common.HttpStatus;
import com.linecorp.armeria.common.MediaType;
import com.linecorp.armeria.common.RequestHeaders;
import com.linecorp.armeria.common.ResponseHeaders;
import com.linecorp.armeria.server.DecoratingHttpServiceFunction;
import com.linecorp.armeria.server.HttpService;
import com.linecorp.armeria.server.ServiceRequestContext;
import com.linecorp.armeria.server.cors.CorsService;
import io.grpc.Status;
import io.grpc.health.v1.HealthGrpc;
import java.net.InetAddress;
import java.time.Duration;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.regex.Pattern;

/// Refuses requests over HTTP and gRPC that have no valid API key or that a foreign web page sends.
/// Safe for any thread.
///
/// A page can send requests to a server on the same host as its browser: under the name of its own
/// site, which its name server lets point to this host, or as a simple request to this host's name.
/// The browser writes the name into `Host`, and the page's site into `Origin`.
final class AccessGate implements DecoratingHttpServiceFunction {
    private static final Set<String> OPEN_PATHS = Set.of("/livez", "/readyz", "/health");
    private static final String OPEN_RPCS = "/" + HealthGrpc.SERVICE_NAME + "/";

    /// Names of this host. No site can have one below `.internal`, which containers use for the
    /// host they run on.
    private static final Pattern LOCAL_NAME =
            Pattern.compile("localhost|.+\\.localhost|.+\\.internal|127(\\.\\d{1,3}){3}|\\[::1\\]");

    /// An address in `Host` was written into the page's URL, so that no name server chose it.
    private static final Pattern ADDRESS =
            Pattern.compile("\\d{1,3}(\\.\\d{1,3}){3}|\\[[0-9a-f:.]+\\]");

    /// The header in which clients of Anthropic's API send their key.

    private static final Duration CORS_MAX_AGE = Duration.ofMinutes(10);

    private final AccessConfig config;
    private final AdminAccess admins;
    private final Timeouts timeouts;
    private final Function<RequestHeaders, String> requestIds;

    /// @param requestIds returns the id for the response to a request
    AccessGate(
            AccessConfig config, Timeouts timeouts, Function<RequestHeaders, String> requestIds) {
        this.config = config;
        this.admins = new AdminAccess(config.keys());
        this.timeouts = timeouts;
        this.requestIds = requestIds;
    }

    /// Returns the service behind this gate, with the headers that let pages of the configured
    /// origins use it.
    HttpService guard(HttpService service) {
        HttpService guarded = service.decorate(this);
        if (config.corsOrigins().isEmpty()) {
            return guarded;
        }
        var builder = CorsService.builder(config.corsOrigins());
        if (config.corsOrigins().contains("null")) {
            builder.allowNullOrigin();
        }
        return builder.allowRequestMethods(HttpMethod.GET, HttpMethod.POST, HttpMethod.DELETE)
                .allowAllRequestHeaders(true)
                .exposeHeaders(
                        HttpExchange.REQUEST_ID,
                        HttpExchange.ANTHROPIC_REQUEST_ID,
                        HttpHeaderNames.RETRY_AFTER)
                .maxAge(CORS_MAX_AGE)
                .build(guarded);
    }

    @Override
    public HttpResponse serve(
            HttpService service, ServiceRequestContext context, HttpRequest request)
            throws Exception {
        InetAddress client = context.remoteAddress().getAddress();
        Optional<ApiError> refusal =
                refusal(context.path(), request.headers())
                        .or(() -> admins.refusal(context.path(), request.headers(), client));
        if (refusal.isEmpty()) {
            return service.serve(context, request);
        }
        ApiError error = refusal.get();
        String type = request.headers().get(HttpHeaderNames.CONTENT_TYPE, "");
        if (type.startsWith("application/grpc")) {
            return rpcRefusal(error);
        }
        HttpResponseWriter writer = HttpResponse.streaming();
        var exchange =
                new HttpExchange(
                        writer,
                        requestIds.apply(request.headers()),
                        timeouts.slowClient(),
                        WireFormat.of(context.path(), request.headers()));
        if (error.status() == HttpStatus.UNAUTHORIZED.code()) {
            exchange.addHeader(HttpHeaderNames.WWW_AUTHENTICATE, "Bearer realm=\"lockstep\"");
        }
        UnusedBody.discard(
                request, UnusedBody.MAX_BYTES, timeouts.body(), () -> exchange.fail(error));
        return writer;
    }

    private static HttpResponse rpcRefusal(ApiError error) {
        Status.Code code =
                error.status() == HttpStatus.UNAUTHORIZED.code()
                        ? Status.Code.UNAUTHENTICATED
                        : Status.Code.PERMISSION_DENIED;
        // In a header, `%` begins an encoded character.
        String message = error.message().replaceAll("[^ -~]|%", "?");
        return HttpResponse.of(
                ResponseHeaders.builder(HttpStatus.OK)
                        .endOfStream(true)
                        .contentType(MediaType.parse("application/grpc"))
                        .add("grpc-status", Integer.toString(code.value()))
                        .add("grpc-message", message)
                        .build());
    }

    private Optional<ApiError> refusal(String path, RequestHeaders headers) {
        if (OPEN_PATHS.contains(path) || path.startsWith(OPEN_RPCS)) {
            return Optional.empty();
        }
        // Over HTTP/1 the value of Host.
        String authority = requireNonNullElse(headers.authority(), "").toLowerCase(Locale.ROOT);
        if (!acceptsHost(hostOf(authority))) {
            return Optional.of(
                    forbidden(
                            "host_not_allowed",
                            "the request is for the host "
                                    + Json.quoted(authority)
                                    + ", which is not a name of this server; --allowed-hosts"
                                    + " adds names"));
        }
        String origin = headers.get(HttpHeaderNames.ORIGIN, "").toLowerCase(Locale.ROOT);
        if (changesState(headers.method()) && !acceptsOrigin(origin, authority)) {
            return Optional.of(
                    forbidden(
                            "origin_not_allowed",
                            "pages of "
                                    + Json.quoted(origin)
                                    + " may not use this server; --cors-origins adds origins"));
        }
        return config.keys().isEmpty() ? Optional.empty() : unauthenticated(headers);
    }

    private Optional<ApiError> unauthenticated(RequestHeaders headers) {
        String authorization = headers.get(HttpHeaderNames.AUTHORIZATION, "");
        String key = headers.get(ApiKeys.HEADER, "");
        if (config.keys().accepts(authorization) || config.keys().acceptsKey(key)) {
            return Optional.empty();
        }
        String message =
                authorization.isEmpty() && key.isEmpty()
                        ? "the request has no API key: send it as the header"
                                + " \"Authorization: Bearer KEY\" or \"x-api-key: KEY\""
                        : "the API key is not valid";
        return Optional.of(
                ApiError.refused(HttpStatus.UNAUTHORIZED.code(), "invalid_api_key", message));
    }

    private static ApiError forbidden(String code, String message) {
        return ApiError.refused(HttpStatus.FORBIDDEN.code(), code, message);
    }

    /// Returns whether `Host` names this server. Where other hosts can reach it, its names are not
    /// known, and every name is accepted unless some are configured.
    private boolean acceptsHost(String host) {
        Set<String> allowed = config.allowedHosts();
        boolean checked = config.loopback() || !allowed.isEmpty();
        return !checked
                || LOCAL_NAME.matcher(host).matches()
                || ADDRESS.matcher(host).matches()
                || host.equals(config.host().toLowerCase(Locale.ROOT))
                || allowed.contains(host)
                || allowed.contains(AccessConfig.ANY);
    }

    private boolean acceptsOrigin(String origin, String authority) {
        if (origin.isEmpty()) {
            // The client is not a browser.
            return true;
        }
        String site = origin.substring(origin.indexOf("://") < 0 ? 0 : origin.indexOf("://") + 3);
        return site.equals(authority)
                || (config.loopback() && LOCAL_NAME.matcher(hostOf(site)).matches())
                || config.corsOrigins().contains(origin)
                || config.corsOrigins().contains(AccessConfig.ANY);
    }

    private static boolean changesState(HttpMethod method) {
        return switch (method) {
            case GET, HEAD, OPTIONS, TRACE -> false;
            default -> true;
        };
    }

    /// Returns the host of `host:port`, without a point at its end.
    private static String hostOf(String authority) {
        int end =
                authority.startsWith("[") ? authority.indexOf(']') + 1 : authority.lastIndexOf(':');
        String host = end <= 0 ? authority : authority.substring(0, end);
        return host.endsWith(".") ? host.substring(0, host.length() - 1) : host;
    }
}
