// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// An unexpected exception of a request, for the log: with the classes and frames of its causes,
/// but without messages, because these may quote a prompt or an output.
final class RequestFault extends RuntimeException {
    private static final long serialVersionUID = 1;

    private static final Logger LOG = LogManager.getLogger(RequestFault.class);

    RequestFault(Throwable fault) {
        this(fault, 0);
    }

    private RequestFault(Throwable fault, int depth) {
        super(
                fault.getClass().getName(),
                // Causes may form a cycle.
                fault.getCause() == null || depth == 10
                        ? null
                        : new RequestFault(fault.getCause(), depth + 1),
                false,
                true);
        setStackTrace(fault.getStackTrace());
    }

    /// Logs a failure of the coordinator, and returns the error for the client, which says nothing
    /// about it.
    ///
    /// @param request what failed, for the log
    static ApiError logged(String request, Throwable fault) {
        LOG.error("{} failed", request, new RequestFault(fault));
        return ApiError.internal("the request failed; the coordinator's log says why");
    }
}
