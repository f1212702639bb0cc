//! `/api/v1/cost`: what everything costs, and how budgets stand.

use axum::Json;
use axum::extract::State;

use super::App;
use super::view::LedgerView;
use crate::model::Timestamp;

/// What environments, projects and providers cost by the declared prices; empty where there are none.
#[utoipa::path(get, path = "/api/v1/cost", responses((status = OK, body = LedgerView)))]
pub async fn show(State(app): State<App>) -> Json<LedgerView> {
    let tick = app.viewer.tick(Timestamp::now()).await;
    Json(LedgerView::from(&tick.ledger))
}
