//! `/api/v1/inventory`: everything that lives on the providers.

use axum::Json;
use axum::extract::State;

use super::App;
use super::view::InventoryView;
use crate::model::Timestamp;

/// Machines and volumes of every provider: ours, orphaned, of other repositories, foreign.
#[utoipa::path(get, path = "/api/v1/inventory", responses((status = OK, body = InventoryView)))]
pub async fn show(State(app): State<App>) -> Json<InventoryView> {
    let tick = app.viewer.tick(Timestamp::now()).await;
    Json(InventoryView::new(&tick))
}
