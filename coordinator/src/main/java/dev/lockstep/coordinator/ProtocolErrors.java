// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.linecorp.armeria.common.AggregatedHttpResponse;
import com.linecorp.armeria.common.HttpData;
import com.linecorp.armeria.common.HttpResponse;
import com.linecorp.armeria.common.HttpStatus;
import com.linecorp.armeria.common.MediaType;
import com.linecorp.armeria.common.RequestHeaders;
import com.linecorp.armeria.server.ServerErrorHandler;
import com.linecorp.armeria.server.ServiceConfig;
import com.linecorp.armeria.server.ServiceRequestContext;
import org.jspecify.annotations.Nullable;

/// The responses to requests that never reach a route, with the error object of the API: an invalid
/// path, headers that are too long.
final class ProtocolErrors implements ServerErrorHandler {
    @Override
    public HttpResponse onServiceException(ServiceRequestContext context, Throwable cause) {
        ApiError error = RequestFault.logged("a request", cause);
        return response(HttpStatus.INTERNAL_SERVER_ERROR, error).toHttpResponse();
    }

    @Override
    public AggregatedHttpResponse renderStatus(
            @Nullable ServiceRequestContext context,
            ServiceConfig config,
            @Nullable RequestHeaders headers,
            HttpStatus status,
            @Nullable String description,
            @Nullable Throwable cause) {
        String message = description == null ? status.reasonPhrase() : description;
        return response(status, ApiError.refused(status.code(), "bad_request", message));
    }

    private static AggregatedHttpResponse response(HttpStatus status, ApiError error) {
        return AggregatedHttpResponse.of(
                status, MediaType.JSON_UTF_8, HttpData.wrap(Json.bytes(error.toJson())));
    }
}
