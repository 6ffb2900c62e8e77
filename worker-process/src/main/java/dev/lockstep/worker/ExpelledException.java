// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

/// This process has computed something wrong, says the scheduler: it must not compute any more.
final class ExpelledException extends RuntimeException {
    private static final long serialVersionUID = 1;

    ExpelledException(String reason) {
        super("taken out of its group: " + reason);
    }
}
