// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

/// An unexpected exception of a request, for the log: with the classes and frames of its causes,
/// but without messages, because these may quote a prompt or an output.
final class RequestFault extends RuntimeException {
    private static final long serialVersionUID = 1;

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
}
