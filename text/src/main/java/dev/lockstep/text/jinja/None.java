// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

/// The value `none`, so that no Java null moves through an evaluation.
enum None {
    NONE
}
