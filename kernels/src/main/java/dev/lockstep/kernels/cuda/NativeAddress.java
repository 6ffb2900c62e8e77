// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import org.bytedeco.javacpp.Pointer;

/// An address on its way into a native call; it owns no memory and is set anew for each call.
///
/// Bytedeco takes addresses as objects. One that is set again spares an allocation per argument.
public final class NativeAddress extends Pointer {

    public NativeAddress() {
        super((Pointer) null);
    }

    public NativeAddress set(long address) {
        this.address = address;
        return this;
    }
}
